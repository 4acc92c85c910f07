//! Requirements of the spec against the lines of code and the tests that cite them.
//!
//! A requirement is an id in brackets with at least one dot. A page of `spec/` defines it in bold type, `**[upload.duplicate]**`, once in all
//! pages; any other `[upload.duplicate]` in a page is a mention, and MUST have its definition. `spec/README.md` is an index and defines
//! none. A citation is such an id in a comment `// spec: [id]` of a Rust file.

mod citation;
mod page;
mod table;

use citation::{Citation, Kind};
use page::Mention;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

/// All requirements, and what demands something without being one.
#[derive(Default)]
struct Spec {
    standings: BTreeMap<String, Standing>,
    /// Blocks with a MUST and without an id, with their first words.
    unnumbered: Vec<(Place, String)>,
}

/// Where one requirement stands.
#[derive(Default)]
struct Standing {
    /// Lines of the spec that define it: one, if all is well.
    defined: Vec<Place>,
    /// Other lines of the spec with it.
    mentioned: Vec<Place>,
    code: Vec<Place>,
    tests: Vec<Place>,
}

/// A line of a file, relative to the workspace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: String,
    line: usize,
}

/// What is wrong with a requirement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    NotInSpec,
    NotDefined,
    DefinedTwice,
    NoCode,
    NoTest,
}

/// Prints the table and tells by the exit code whether every requirement has one definition, code and test.
pub fn run(quiet: bool) -> ExitCode {
    match collect(&workspace()) {
        Ok(spec) => table::print(&spec, quiet),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

impl Spec {
    fn add_page(&mut self, file: &str, text: &str) {
        let is_index = file.ends_with("README.md");
        for Mention { id, line, kind } in page::mentions(text) {
            let standing = self.standings.entry(id).or_default();
            match kind {
                page::Kind::Definition if !is_index => standing.defined.push(place(file, line)),
                page::Kind::Definition | page::Kind::Mention => {
                    standing.mentioned.push(place(file, line))
                }
            }
        }
        if !is_index {
            let found = page::unnumbered(text).into_iter();
            self.unnumbered
                .extend(found.map(|block| (place(file, block.line), block.words)));
        }
    }

    fn add_source(&mut self, file: &str, text: &str) {
        let tests = citation::is_test_file(Path::new(file));
        for Citation { id, line, kind } in citation::citations(text, tests) {
            let standing = self.standings.entry(id).or_default();
            let list = match kind {
                Kind::Code => &mut standing.code,
                Kind::Test => &mut standing.tests,
            };
            list.push(place(file, line));
        }
    }
}

impl Standing {
    fn gaps(&self) -> Vec<Gap> {
        let is_defined = !self.defined.is_empty();
        let is_cited = !self.code.is_empty() || !self.tests.is_empty();
        let gaps = [
            (!is_defined && is_cited, Gap::NotInSpec),
            (!is_defined && !self.mentioned.is_empty(), Gap::NotDefined),
            (self.defined.len() > 1, Gap::DefinedTwice),
            (is_defined && self.code.is_empty(), Gap::NoCode),
            (is_defined && self.tests.is_empty(), Gap::NoTest),
        ];
        let found = gaps.into_iter().filter(|(is, _)| *is);
        found.map(|(_, gap)| gap).collect()
    }
}

/// Where this is run, not where it was built: a target folder that checkouts share would else lead to the pages of another.
fn workspace() -> PathBuf {
    let own = std::env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let workspace = own.and_then(|own| own.parent().map(Path::to_owned));
    workspace.unwrap_or_else(|| PathBuf::from("."))
}

fn collect(root: &Path) -> io::Result<Spec> {
    let mut spec = Spec::default();
    for file in files(&root.join("spec"), "md")? {
        // What is below a folder of its own is no page.
        if file.parent() == Some(&root.join("spec")) {
            spec.add_page(&name(root, &file), &fs::read_to_string(&file)?);
        }
    }
    for folder in ["crates", "tests", "fuzz", "benches"] {
        for file in files(&root.join(folder), "rs")? {
            spec.add_source(&name(root, &file), &fs::read_to_string(&file)?);
        }
    }
    Ok(spec)
}

fn name(root: &Path, file: &Path) -> String {
    let file = file.strip_prefix(root).unwrap_or(file);
    file.display().to_string()
}

fn place(file: &str, line: usize) -> Place {
    Place {
        file: file.to_owned(),
        line,
    }
}

/// Files below a folder with this extension, sorted; none when there is no folder. Build output is left out.
fn files(folder: &Path, extension: &str) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(folder) = open.pop() {
        if !folder.is_dir() {
            continue;
        }
        for entry in fs::read_dir(&folder)? {
            let path = entry?.path();
            if path.is_dir() && !path.ends_with("target") {
                open.push(path);
            } else if path.extension().is_some_and(|found| found == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps_of(pages: &[(&str, &str)], source: &str) -> Vec<(String, Vec<Gap>)> {
        let mut spec = Spec::default();
        for (file, text) in pages {
            spec.add_page(file, text);
        }
        spec.add_source("crates/a/src/lib.rs", source);
        let found = spec.standings.into_iter();
        found
            .map(|(id, standing)| (id, standing.gaps()))
            .filter(|(_, gaps)| !gaps.is_empty())
            .collect()
    }

    const CITED: &str = "// spec: [a.a]\n#[cfg(test)]\nmod tests {\n    // spec: [a.a]\n}\n";

    #[test]
    fn one_definition_with_code_and_test_has_no_gap() {
        let pages = [
            ("spec/b.md", "**[a.a]** It is."),
            ("spec/a.md", "`[a.a]` says so."),
        ];
        assert_eq!(gaps_of(&pages, CITED), []);
    }

    #[test]
    fn a_deleted_definition_is_seen_though_another_page_mentions_the_id() {
        let found = gaps_of(&[("spec/a.md", "`[a.a]` says so.")], CITED);
        assert_eq!(
            found,
            [("a.a".to_owned(), vec![Gap::NotInSpec, Gap::NotDefined])]
        );
    }

    #[test]
    fn a_mention_that_nobody_cites_needs_a_definition_too() {
        let found = gaps_of(&[("spec/a.md", "`[a.b]` says so.")], "");
        assert_eq!(found, [("a.b".to_owned(), vec![Gap::NotDefined])]);
    }

    #[test]
    fn two_definitions_are_a_gap_in_one_page_and_in_two() {
        for second in ["spec/a.md", "spec/b.md"] {
            let pages = [("spec/a.md", "**[a.a]**"), (second, "**[a.a]**")];
            assert_eq!(
                gaps_of(&pages, CITED),
                [("a.a".to_owned(), vec![Gap::DefinedTwice])]
            );
        }
    }

    #[test]
    fn the_index_defines_nothing() {
        let found = gaps_of(&[("spec/README.md", "**[a.b]** MUST")], "");
        assert_eq!(found, [("a.b".to_owned(), vec![Gap::NotDefined])]);
    }

    #[test]
    fn the_place_of_a_requirement_is_its_definition() {
        let mut spec = Spec::default();
        spec.add_page("spec/a.md", "`[a.a]`");
        spec.add_page("spec/b.md", "text\n\n**[a.a]** It MUST.\n\nThis MUST too.");
        let standing = spec.standings.remove("a.a").unwrap_or_default();
        assert_eq!(standing.defined, [place("spec/b.md", 3)]);
        assert_eq!(standing.mentioned, [place("spec/a.md", 1)]);
        assert_eq!(
            spec.unnumbered,
            [(place("spec/b.md", 5), "This MUST too.".to_owned())]
        );
    }
}
