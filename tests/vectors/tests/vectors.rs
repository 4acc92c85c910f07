//! Every file of `spec/vectors`, a test each, named by its path.

#![expect(clippy::expect_used, reason = "a test may panic")]

use libtest_mimic::{Arguments, Failed, Trial};
use std::collections::BTreeSet;
use std::process::ExitCode;
use veilsum_vectors::file::{File, folder, walk};
use veilsum_vectors::{judge_file, kinds};

fn main() -> ExitCode {
    let root = folder();
    let paths = walk(&root).expect("the folders can be walked");
    let mut trials = paths
        .iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap_or(path).with_extension("");
            let (root, path) = (root.clone(), path.clone());
            Trial::test(name.display().to_string(), move || {
                let judged = judge_file(&root, &path);
                println!("{:?}", judged.counts);
                judged
                    .known
                    .iter()
                    .for_each(|known| println!("open: {known}"));
                match judged.differences.is_empty() && judged.counts.passed > 0 {
                    true => Ok(()),
                    false => Err(Failed::from(judged.differences.join("\n"))),
                }
            })
        })
        .collect::<Vec<_>>();
    trials.push(Trial::test("each_type_has_a_vector", move || {
        let files = paths.iter().map(|path| File::read(path));
        let files = files.collect::<Result<Vec<_>, _>>()?;
        let groups = files.iter().flat_map(|file| &file.test_groups);
        let found = groups.map(|group| group.r#type.as_str());
        let found = found.collect::<BTreeSet<_>>();
        let known = kinds::all().map(|kind| kind.name).collect::<BTreeSet<_>>();
        match found == known {
            true => Ok(()),
            false => Err(Failed::from(format!(
                "found the types {found:?}, wanted {known:?}"
            ))),
        }
    }));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
