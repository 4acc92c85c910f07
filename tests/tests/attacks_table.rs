//! The attacks of the threat model and the table of their tests are the same, name what exists, and say what they claim to say.

#![expect(
    clippy::expect_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const TESTS: &str = include_str!("../ATTACKS.md");
const THREATS: &str = include_str!("../../spec/threat-model.md");

/// With these a test states what the coordinator knows with the corrupt members, or hands it to the judge.
const STATES: [&str; 14] = [
    "assert_known(",
    "assert_exact(",
    "assert_one_sum_of(",
    "goes_on_with",
    "excluded_for_its_keys(",
    "verdict(",
    ".judge()",
    "stages.run(",
    "search(",
    "exhaust(",
    "sample(",
    "assert_same(",
    "check(&cohort",
    "known_sums(",
];

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Attacks of the threat model, each with its row.
fn threats() -> Vec<(&'static str, &'static str)> {
    let (_, attacks) = THREATS.split_once("\n## 4. ").expect("section 4");
    let (attacks, _) = attacks.split_once("\n## 6. ").expect("section 6");
    named(attacks)
}

/// Rows that begin with a name in asterisks.
fn named(page: &'static str) -> Vec<(&'static str, &'static str)> {
    let rows = page.lines().filter_map(|row| {
        let (name, _) = row.strip_prefix("| *")?.split_once('*')?;
        Some((name, row))
    });
    rows.collect()
}

/// Links of the form `` [`test`](file) ``.
fn tests(cell: &str) -> Vec<(&str, &str)> {
    let links = cell.split("[`").skip(1).map(|link| {
        let (name, rest) = link.split_once("`](").expect("a link to a file");
        let (file, _) = rest.split_once(')').expect("a closed link");
        (name, file)
    });
    links.collect()
}

/// Words of the form `` `[id]` ``.
fn requirements(row: &str) -> Vec<&str> {
    let words = row.split("`[").skip(1);
    words
        .map(|word| word.split_once("]`").expect("a closed bracket").0)
        .collect()
}

#[test]
fn the_threat_model_and_the_tests_have_the_same_attacks() {
    let names = |rows: Vec<(&'static str, _)>| rows.into_iter().map(|(name, _)| name);
    let wanted = names(threats()).collect::<Vec<_>>();
    assert_eq!(names(named(TESTS)).collect::<Vec<_>>(), wanted);
    assert!(wanted.len() > 45, "found {}", wanted.len());
    assert_eq!(
        wanted.iter().collect::<BTreeSet<_>>().len(),
        wanted.len(),
        "a name stands for one attack"
    );
    let rules = wanted.iter().filter_map(|name| {
        let (rule, _) = name.strip_prefix('R')?.split_once(' ')?;
        rule.parse::<u32>().ok()
    });
    assert_eq!(rules.collect::<BTreeSet<_>>(), (1..=17).collect());
}

#[test]
fn every_attack_names_requirements_of_the_spec() {
    let spec = fs::read_dir(here().join("../spec")).unwrap();
    let pages = spec.map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| {
        path.extension().is_some_and(|extension| extension == "md")
            && path.file_stem().is_some_and(|name| name != "threat-model")
    });
    let pages = pages
        .map(|path| fs::read_to_string(path).unwrap())
        .collect::<String>();
    for (name, row) in threats() {
        let wanted = requirements(row);
        assert!(!wanted.is_empty(), "{name} names none");
        for id in wanted {
            assert!(pages.contains(&format!("[{id}]")), "{name}: no {id}");
        }
    }
}

#[test]
fn every_attack_names_tests_that_exist_and_that_state_what_is_known() {
    let mut files = BTreeMap::new();
    for (name, row) in named(TESTS) {
        let cells = row.trim_matches('|').split(" | ").collect::<Vec<_>>();
        let [_, stating, besides] = cells[..] else {
            panic!("{name} has {} cells", cells.len());
        };
        let is_none = stating.starts_with("none: ");
        assert!(
            is_none && !tests(besides).is_empty() || !tests(stating).is_empty(),
            "{name} has no test"
        );
        for (test, file) in tests(row) {
            let text = files
                .entry(file)
                .or_insert_with(|| fs::read_to_string(here().join(file)).expect(file));
            let body = body(text, test);
            let body = body.unwrap_or_else(|| panic!("{file} has no test {test}"));
            let states = STATES.iter().any(|words| body.contains(words));
            assert!(
                states || !tests(stating).contains(&(test, file)),
                "{test} does not state what is known"
            );
        }
    }
}

/// From the name of a test to the bracket that closes it.
fn body<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let head = format!("fn {name}(");
    let (before, after) = text.split_once(&head)?;
    let (attributes, line) = before.rsplit_once('\n')?;
    let attributes = attributes.rsplit("\n\n").next()?;
    let is_test = attributes.contains("#[test]") || attributes.contains("#[tokio::test");
    let indent = line.len() - line.trim_start().len();
    let end = format!("\n{}}}", " ".repeat(indent));
    is_test.then(|| after.split_once(&end).map_or(after, |(body, _)| body))
}
