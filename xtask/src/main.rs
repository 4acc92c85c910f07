//! Not part of what is shipped, and not a place for build steps: `cargo build` needs none.
//!
//! Chores of the repository, run as `cargo xtask NAME`.

mod sbom;
mod spec;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["sbom"] => sbom::run(),
        ["spec"] => spec::run(false),
        ["spec", "--quiet"] => spec::run(true),
        _ => {
            eprintln!("{HELP}");
            ExitCode::from(2)
        }
    }
}

const HELP: &str = "\
usage: cargo xtask sbom
       cargo xtask spec [--quiet]

  sbom    prints what the program is built from, with versions, licences and checksums (CycloneDX 1.5, JSON)
  spec    lists every requirement of spec/*.md with its definition (the id in bold type), the lines of code and the tests
          that cite it; fails on a requirement without code or without test, on one that is cited or mentioned and
          defined nowhere or twice, and on a MUST without an id
          --quiet prints only what is missing, and the counts";
