//! `veilsum-vectors`: vectors against our code, and parties of a round between programs.

use std::io::{stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use veilsum_vectors::{Counts, Report, file, party};

const USAGE: &str = "usage: veilsum-vectors verify [FOLDER]
       veilsum-vectors member FILE TEST SLOT
       veilsum-vectors coordinator FILE TEST";

fn main() -> ExitCode {
    let arguments = std::env::args().skip(1).collect::<Vec<_>>();
    let arguments = arguments.iter().map(String::as_str).collect::<Vec<_>>();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("veilsum-vectors: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[&str]) -> Result<(), String> {
    match arguments {
        ["verify"] => verify(&file::folder()),
        ["verify", folder] => verify(&PathBuf::from(folder)),
        ["member", path, test, slot] => {
            let slot = slot.parse().map_err(|_| format!("{slot:?} is no slot"))?;
            party::member::run(
                Path::new(path),
                number(test)?,
                slot,
                &mut stdin().lock(),
                &mut stdout().lock(),
            )
        }
        ["coordinator", path, test] => party::coordinator::run(
            Path::new(path),
            number(test)?,
            &mut stdin().lock(),
            &mut stdout().lock(),
        ),
        _ => Err(USAGE.to_owned()),
    }
}

fn number(test: &str) -> Result<u64, String> {
    test.parse().map_err(|_| format!("{test:?} is no test"))
}

fn verify(folder: &Path) -> Result<(), String> {
    let report = Report::of(folder)?;
    println!(
        "{:<16}{:>7}{:>8}{:>9}{:>9}",
        "folder", "files", "valid", "invalid", "passed"
    );
    let line = |name: &str, counts: &Counts| {
        let Counts {
            files,
            valid,
            invalid,
            passed,
        } = counts;
        println!("{name:<16}{files:>7}{valid:>8}{invalid:>9}{passed:>9}");
    };
    report
        .folders
        .iter()
        .for_each(|(name, counts)| line(name, counts));
    line("all", &report.total());
    report
        .differences
        .iter()
        .for_each(|difference| println!("{difference}"));
    report
        .known
        .iter()
        .for_each(|known| println!("open: {known}"));
    match report.differences.len() {
        0 => Ok(()),
        count => Err(format!(
            "{count} cases are found otherwise than the vectors say"
        )),
    }
}
