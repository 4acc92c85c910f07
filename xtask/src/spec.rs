//! Requirements of the spec against the lines of code and the tests that cite them.
//!
//! A requirement is an id in brackets with at least one dot, `[upload.duplicate]`, in a page of `spec/`; the first line with
//! it defines it. `spec/README.md` is an index and defines none. A citation is such an id in a comment `// spec: [id]` of a Rust file.

mod citation;
mod table;

use citation::{Citation, Kind};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::{fs, io};

/// Where one requirement stands.
#[derive(Default)]
struct Standing {
    /// First line of the spec with it.
    defined: Option<Place>,
    code: Vec<Place>,
    tests: Vec<Place>,
}

/// A line of a file, relative to the workspace.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    file: String,
    line: usize,
}

/// What is wrong with a requirement.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gap {
    NotInSpec,
    NoCode,
    NoTest,
}

/// Prints the table and tells by the exit code whether every requirement has code and test.
pub fn run(quiet: bool) -> ExitCode {
    match collect(&workspace()) {
        Ok(standings) => table::print(&standings, quiet),
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(2)
        }
    }
}

impl Standing {
    fn gaps(&self) -> Vec<Gap> {
        let gaps = [
            (self.defined.is_none(), Gap::NotInSpec),
            (self.defined.is_some() && self.code.is_empty(), Gap::NoCode),
            (self.defined.is_some() && self.tests.is_empty(), Gap::NoTest),
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

fn collect(root: &Path) -> io::Result<BTreeMap<String, Standing>> {
    let mut standings = BTreeMap::<String, Standing>::new();
    let pages = files(&root.join("spec"), "md")?;
    for file in pages
        .into_iter()
        .filter(|page| !page.ends_with("README.md"))
    {
        for (line, id) in citation::definitions(&fs::read_to_string(&file)?) {
            let standing = standings.entry(id).or_default();
            standing
                .defined
                .get_or_insert_with(|| place(root, &file, line));
        }
    }
    for folder in ["crates", "tests", "fuzz", "benches"] {
        for file in files(&root.join(folder), "rs")? {
            let tests = citation::is_test_file(file.strip_prefix(root).unwrap_or(&file));
            for Citation { id, line, kind } in
                citation::citations(&fs::read_to_string(&file)?, tests)
            {
                let standing = standings.entry(id).or_default();
                let list = match kind {
                    Kind::Code => &mut standing.code,
                    Kind::Test => &mut standing.tests,
                };
                list.push(place(root, &file, line));
            }
        }
    }
    Ok(standings)
}

fn place(root: &Path, file: &Path, line: usize) -> Place {
    let file = file.strip_prefix(root).unwrap_or(file);
    Place {
        file: file.display().to_string(),
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
