//! Ids in the text of a Rust file.

use std::path::Path;

/// One id cited by a Rust file.
#[derive(Debug, PartialEq, Eq)]
pub struct Citation {
    pub id: String,
    /// From 1.
    pub line: usize,
    pub kind: Kind,
}

/// Whether a citation says "obeyed here" or "proven here".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Code,
    Test,
}

/// Whether everything in a file is test code: integration tests, the crate of whole rounds, files of a test module, fuzz targets.
pub fn is_test_file(path: &Path) -> bool {
    let mut parts = path.components().map(|part| part.as_os_str());
    parts.any(|part| part == "tests" || part == "fuzz" || part == "tests.rs")
}

/// Ids that a Rust file cites in `// spec:` comments. From a `#[cfg(test)]` module to its closing brace they are tests.
pub fn citations(source: &str, all_tests: bool) -> Vec<Citation> {
    let mut region = TestRegion::default();
    let mut found = Vec::new();
    for (line, text) in (1..).zip(source.lines()) {
        let in_tests = region.take(text);
        let Some((cited, doctest)) = cited(text) else {
            continue;
        };
        let kind = match all_tests || in_tests || doctest {
            true => Kind::Test,
            false => Kind::Code,
        };
        found.extend(ids(cited).map(|(_, id)| Citation {
            id: id.to_owned(),
            line,
            kind,
        }));
    }
    found
}

/// Follows `#[cfg(test)] mod name { ... }` by indentation, which the formatter guarantees.
#[derive(Default)]
struct TestRegion {
    state: Region,
}

#[derive(Default)]
enum Region {
    #[default]
    Outside,
    /// The attribute was seen at this indentation.
    Announced(usize),
    /// Until a closing brace at this indentation.
    Inside(usize),
}

impl TestRegion {
    /// Whether the line is test code.
    fn take(&mut self, text: &str) -> bool {
        let trimmed = text.trim_start();
        let indentation = text.len() - trimmed.len();
        match self.state {
            Region::Outside if trimmed.starts_with("#[cfg(test)]") => {
                self.state = Region::Announced(indentation);
                false
            }
            Region::Outside => false,
            Region::Announced(_) if trimmed.starts_with("#[") => false,
            Region::Announced(at) => {
                self.state = match trimmed.ends_with('{') {
                    true => Region::Inside(at),
                    false => Region::Outside,
                };
                true
            }
            Region::Inside(at) => {
                if indentation == at && trimmed.starts_with('}') {
                    self.state = Region::Outside;
                }
                true
            }
        }
    }
}

/// What follows `spec:` in the comment of a line, and whether the line is in an example of the documentation, which is a test.
fn cited(text: &str) -> Option<(&str, bool)> {
    let (_, comment) = text.split_once("//")?;
    let documentation = comment.strip_prefix(['/', '!']);
    let comment = match documentation {
        Some(line) => line.split_once("//")?.1,
        None => comment,
    };
    let (_, cited) = comment.split_once("spec:")?;
    Some((cited, documentation.is_some()))
}

/// `[group.name]` in a text, with the place of its bracket: lower case, digits, hyphens, at least one dot, no link.
pub fn ids(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let brackets = text.match_indices('[');
    brackets.filter_map(move |(at, _)| {
        let (id, behind) = text.get(at + 1..)?.split_once(']')?;
        (is_id(id) && !behind.starts_with('(')).then_some((at, id))
    })
}

fn is_id(text: &str) -> bool {
    let word = |word: &str| {
        word.starts_with(|first: char| first.is_ascii_lowercase())
            && word.chars().all(|letter| {
                letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-'
            })
    };
    text.contains('.') && text.split('.').all(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cites(source: &str, all_tests: bool) -> Vec<(String, usize, Kind)> {
        let found = citations(source, all_tests).into_iter();
        found
            .map(|Citation { id, line, kind }| (id, line, kind))
            .collect()
    }

    #[test]
    fn ids_have_a_dot_and_are_lower_case() {
        let text = "`[a.b]` [c] [d.e-f2], [G.h] [1.2] [sid][share.cut-pair] [a.md](a.md) [x.y";
        assert_eq!(
            ids(text).collect::<Vec<_>>(),
            [(1, "a.b"), (12, "d.e-f2"), (39, "share.cut-pair")]
        );
    }

    #[test]
    fn a_citation_in_a_test_module_is_a_test_and_after_it_code_again() {
        let source = "\
// spec: [a.a] [a.b]
fn code() {}
#[cfg(test)]
mod tests {
    // spec: [b.a]
    fn test() {
    }
}
// spec: [c.a]
fn more() {}
";
        assert_eq!(
            cites(source, false),
            [
                ("a.a".to_owned(), 1, Kind::Code),
                ("a.b".to_owned(), 1, Kind::Code),
                ("b.a".to_owned(), 5, Kind::Test),
                ("c.a".to_owned(), 9, Kind::Code),
            ]
        );
    }

    #[test]
    fn a_test_module_in_a_file_of_its_own_leaves_what_follows_code() {
        let source = "#[cfg(test)]\nmod tests;\n// spec: [a.a]\n";
        assert_eq!(cites(source, false), [("a.a".to_owned(), 3, Kind::Code)]);
        assert_eq!(cites(source, true), [("a.a".to_owned(), 3, Kind::Test)]);
    }

    #[test]
    fn a_citation_in_an_example_of_the_documentation_is_a_test() {
        assert_eq!(
            cites("/// // spec: [a.a]\n    //! // spec: [b.b]", false),
            [
                ("a.a".to_owned(), 1, Kind::Test),
                ("b.b".to_owned(), 2, Kind::Test),
            ]
        );
    }

    #[test]
    fn a_citation_may_follow_code_and_other_words() {
        assert_eq!(
            cites("go(); // grows with what came; spec: [a.a], [b.b]", false),
            [
                ("a.a".to_owned(), 1, Kind::Code),
                ("b.b".to_owned(), 1, Kind::Code),
            ]
        );
    }

    #[test]
    fn ids_outside_a_citation_cite_nothing() {
        let source = "// see [a.b]\nlet spec = \"spec: [c.d]\";\n/// spec: [e.f]";
        assert_eq!(cites(source, false), []);
    }

    #[test]
    fn test_files_are_known_by_their_path() {
        for path in [
            "tests/tests/rounds.rs",
            "crates/a/tests/b.rs",
            "crates/a/src/tests.rs",
            "fuzz/fuzz_targets/message.rs",
        ] {
            assert!(is_test_file(Path::new(path)), "{path}");
        }
        assert!(!is_test_file(Path::new("crates/a/src/latest.rs")));
    }
}
