//! The table for people.

use super::{Gap, Place, Standing};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Prints requirements by page and id, then what is missing, then the counts.
pub fn print(standings: &BTreeMap<String, Standing>, quiet: bool) -> ExitCode {
    if !quiet {
        list(standings);
    }
    let gaps =
        [Gap::NotInSpec, Gap::NoCode, Gap::NoTest].map(|gap| (gap, with_gap(standings, gap)));
    for (gap, ids) in gaps.iter().filter(|(_, ids)| !ids.is_empty()) {
        println!("{}:", gap.text());
        for (id, standing) in ids {
            println!("  [{id}]  {}", first(standing));
        }
        println!();
    }
    let defined = standings
        .values()
        .filter(|standing| standing.defined.is_some());
    let [not_in_spec, no_code, no_test] = gaps.map(|(_, ids)| ids.len());
    println!(
        "{} requirements, {} citations in code, {} in tests; {no_code} without code, {no_test} without test, {not_in_spec} cited but not in the spec",
        defined.count(),
        standings
            .values()
            .map(|standing| standing.code.len())
            .sum::<usize>(),
        standings
            .values()
            .map(|standing| standing.tests.len())
            .sum::<usize>(),
    );
    match not_in_spec + no_code + no_test {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

impl Gap {
    fn text(self) -> &'static str {
        match self {
            Self::NotInSpec => "cited, but not in the spec",
            Self::NoCode => "no line of code cites it",
            Self::NoTest => "no test cites it",
        }
    }
}

fn list(standings: &BTreeMap<String, Standing>) {
    let mut pages = BTreeMap::<&str, Vec<(&String, &Standing)>>::new();
    for (id, standing) in standings {
        if let Some(place) = &standing.defined {
            pages.entry(&place.file).or_default().push((id, standing));
        }
    }
    for (page, requirements) in pages {
        println!("{page}");
        for (id, standing) in requirements {
            println!("  [{id}]");
            println!("      code  {}", places(&standing.code));
            println!("      test  {}", places(&standing.tests));
        }
        println!();
    }
}

fn with_gap(standings: &BTreeMap<String, Standing>, gap: Gap) -> Vec<(&String, &Standing)> {
    let found = standings.iter();
    found
        .filter(|(_, standing)| standing.gaps().contains(&gap))
        .collect()
}

/// Lines of one file are joined, so that a row stays short.
fn places(places: &[Place]) -> String {
    let mut files = BTreeMap::<&str, Vec<String>>::new();
    for Place { file, line } in places {
        files.entry(file).or_default().push(line.to_string());
    }
    if files.is_empty() {
        return "-".to_owned();
    }
    let files = files
        .into_iter()
        .map(|(file, lines)| format!("{file}:{}", lines.join(",")));
    files.collect::<Vec<_>>().join("  ")
}

/// Where to start looking.
fn first(standing: &Standing) -> String {
    let all = standing.defined.iter();
    let mut all = all.chain(&standing.code).chain(&standing.tests);
    all.next().map_or_else(String::new, |place| {
        format!("{}:{}", place.file, place.line)
    })
}
