//! Every test and every requirement that the table of attacks names exists, and every rule has its row.

#![expect(
    clippy::expect_used,
    reason = "helpers of tests: a failure here is a failed test"
)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

const TABLE: &str = include_str!("../ATTACKS.md");

fn here() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// The rows of both tables, without their heads.
fn rows() -> Vec<&'static str> {
    let rows = TABLE.lines().filter(|line| line.starts_with("| "));
    rows.filter(|line| !line.starts_with("| Attack |") && !line.starts_with("| Rule |"))
        .collect()
}

/// Links of the form `` [`test`](file) ``.
fn tests(row: &str) -> Vec<(&str, &str)> {
    let links = row.split("[`").skip(1).map(|link| {
        let (name, rest) = link.split_once("`](").expect("a link to a file");
        let (file, _) = rest.split_once(')').expect("a closed link");
        (name, file)
    });
    links.collect()
}

/// Words in brackets that are no links.
fn requirements(row: &str) -> Vec<&str> {
    let words = row.split('[').skip(1).filter(|word| !word.starts_with('`'));
    words
        .map(|word| word.split_once(']').expect("a closed bracket").0)
        .collect()
}

#[test]
fn every_row_names_requirements_of_the_spec_and_tests_that_exist() {
    let spec = fs::read_dir(here().join("../spec")).unwrap();
    let pages = spec.map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let pages = pages
        .map(|path| fs::read_to_string(path).unwrap())
        .collect::<String>();
    let mut files = BTreeMap::new();
    assert!(rows().len() > 45);
    for row in rows() {
        let (named, wanted) = (tests(row), requirements(row));
        assert!(
            !named.is_empty() && !wanted.is_empty(),
            "an empty row: {row}"
        );
        for id in wanted {
            assert!(pages.contains(&format!("[{id}]")), "no requirement {id}");
        }
        for (name, file) in named {
            let text = files
                .entry(file)
                .or_insert_with(|| fs::read_to_string(here().join(file)).expect(file));
            let is_test = text.split("#[test]").chain(text.split("#[tokio::test]"));
            let mut is_test = is_test.skip(1);
            assert!(
                is_test.any(|after| head(after).contains(&format!("fn {name}("))),
                "{file} has no test {name}"
            );
        }
    }
}

/// Up to the body of the first function.
fn head(text: &str) -> &str {
    text.split_once('{').map_or(text, |(head, _)| head)
}

#[test]
fn every_rule_has_its_row() {
    let rules = rows().into_iter().filter_map(|row| {
        let (rule, _) = row.strip_prefix("| R")?.split_once(' ')?;
        rule.parse::<u32>().ok()
    });
    assert_eq!(rules.collect::<BTreeSet<_>>(), (1..=17).collect());
}
