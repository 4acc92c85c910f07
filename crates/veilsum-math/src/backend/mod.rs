//! stub

/// stub
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// stub
    Portable,
}
