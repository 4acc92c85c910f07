//! One party of a round between programs, over standard input and output; frames and order are in `spec/reference/README.md`.
//!
//! Not a transport: the relay of the reference model stands between the programs.

pub mod coordinator;
mod frame;
pub mod member;

use crate::file::File;
use crate::judge::Stop;
use crate::kinds::Given;
use std::path::Path;

/// The input of one test of a file of the type `Round`.
fn given(path: &Path, number: u64) -> Result<Given, String> {
    let file = File::read(path)?;
    let found = file
        .tests()
        .find(|(group, test)| test.tc_id == number && group.r#type == "Round");
    let (group, test) = found.ok_or_else(|| format!("{} has no round {number}", path.display()))?;
    Given::of(test.case(group)?.input).map_err(words)
}

fn words(stop: Stop) -> String {
    match stop {
        Stop::Refused(refused) => refused.to_string(),
        Stop::Broken(why) => why,
    }
}
