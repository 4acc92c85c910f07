//! Cases in which our code and the vectors are known to differ, with the reason: `open.json` of this package.
//!
//! Not a way to pass: what is listed is printed by `verify`, and an entry whose case passes is itself a failure.

use serde::Deserialize;

/// One known difference.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Open {
    /// Path below the folder of the vectors.
    pub file: String,
    /// Number of the test.
    pub tc_id: u64,
    /// Who is right by which page, and why it is not mended yet.
    pub why: String,
}

/// All known differences.
///
/// # Errors
///
/// The list is not one.
pub fn all() -> Result<Vec<Open>, String> {
    serde_json::from_str(include_str!("../open.json"))
        .map_err(|error| format!("open.json: {error}"))
}
