//! The table for people.

use super::{Gap, Place, Spec, Standing};
use std::collections::BTreeMap;
use std::process::ExitCode;

/// Prints requirements by page and id, then what is missing, then the counts.
pub fn print(spec: &Spec, quiet: bool) -> ExitCode {
    let standings = &spec.standings;
    if !quiet {
        list(standings);
    }
    let gaps = GAPS.map(|gap| (gap, with_gap(standings, gap)));
    for (gap, ids) in gaps.iter().filter(|(_, ids)| !ids.is_empty()) {
        println!("{}:", gap.text());
        for (id, standing) in ids {
            println!("  [{id}]  {}", where_to_look(*gap, standing));
        }
        println!();
    }
    if !spec.unnumbered.is_empty() {
        println!("MUST without an id:");
        for (place, words) in &spec.unnumbered {
            println!("  {}:{}  {words}", place.file, place.line);
        }
        println!();
    }
    let defined = standings
        .values()
        .filter(|standing| !standing.defined.is_empty());
    let unnumbered = spec.unnumbered.len();
    let [not_in_spec, not_defined, twice, no_code, no_test] = gaps.map(|(_, ids)| ids.len());
    println!(
        "{} requirements, {} citations in code, {} in tests; {no_code} without code, {no_test} without test, {not_in_spec} cited but not in the spec, \
         {not_defined} mentioned but not defined, {twice} defined twice, {unnumbered} MUST without an id",
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
    match not_in_spec + not_defined + twice + no_code + no_test + unnumbered {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}

impl Gap {
    fn text(self) -> &'static str {
        match self {
            Self::NotInSpec => "cited, but not in the spec",
            Self::NotDefined => "mentioned in the spec, but not defined",
            Self::DefinedTwice => "defined more than once",
            Self::NoCode => "no line of code cites it",
            Self::NoTest => "no test cites it",
        }
    }
}

fn list(standings: &BTreeMap<String, Standing>) {
    let mut pages = BTreeMap::<&str, Vec<(&String, &Standing)>>::new();
    for (id, standing) in standings {
        if let Some(place) = standing.defined.first() {
            pages.entry(&place.file).or_default().push((id, standing));
        }
    }
    for (page, requirements) in pages {
        println!("{page}");
        for (id, standing) in requirements {
            println!("  [{id}]");
            println!("      spec  {}", places(&standing.defined));
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
fn where_to_look(gap: Gap, standing: &Standing) -> String {
    match gap {
        Gap::NotInSpec if standing.code.is_empty() => places(&standing.tests),
        Gap::NotInSpec => places(&standing.code),
        Gap::NotDefined => places(&standing.mentioned),
        Gap::DefinedTwice | Gap::NoCode | Gap::NoTest => places(&standing.defined),
    }
}

const GAPS: [Gap; 5] = [
    Gap::NotInSpec,
    Gap::NotDefined,
    Gap::DefinedTwice,
    Gap::NoCode,
    Gap::NoTest,
];
