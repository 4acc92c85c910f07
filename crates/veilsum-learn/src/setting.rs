//! Not a configuration file: the one way in which settings of learning are refused.

use thiserror::Error;

/// A setting outside its range.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("found {found} as {setting}, wanted {wanted}")]
pub struct SettingError {
    /// Which setting.
    pub setting: &'static str,
    /// Its value.
    pub found: f64,
    /// Its range.
    pub wanted: &'static str,
}

/// Refuses a setting that is NaN, infinite, or not `fit`.
pub(crate) fn require(
    setting: &'static str,
    found: f64,
    wanted: &'static str,
    fit: impl Fn(f64) -> bool,
) -> Result<(), SettingError> {
    if found.is_finite() && fit(found) {
        return Ok(());
    }
    Err(SettingError {
        setting,
        found,
        wanted,
    })
}
