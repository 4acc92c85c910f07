//! Not a serialisation framework: a cursor over bytes from a peer or a disk that never panics and never allocates.

#![deny(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

/// What is left to read.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `count` bytes; `None`, and nothing taken, if there are fewer.
    pub(crate) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*taken)
    }

    pub(crate) fn byte(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn f64(&mut self) -> Option<f64> {
        self.array().map(f64::from_le_bytes)
    }

    /// Bytes preceded by their length as `u64`.
    pub(crate) fn sized(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.u64()?).ok()?;
        self.take(length)
    }

    /// Takes `label` if it comes next.
    pub(crate) fn label(&mut self, label: &[u8]) -> Option<()> {
        self.0 = self.0.strip_prefix(label)?;
        Some(())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Appends `content` after its length as `u64`.
pub(crate) fn put_sized(out: &mut Vec<u8>, content: &[u8]) {
    out.extend_from_slice(&(content.len() as u64).to_le_bytes());
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_beyond_the_bytes_take_nothing() {
        let mut bytes = u64::MAX.to_le_bytes().to_vec();
        bytes.push(1);
        assert_eq!(Reader::new(&bytes).sized(), None);
        let mut out = Vec::new();
        put_sized(&mut out, b"ab");
        let mut reader = Reader::new(&out);
        assert_eq!(reader.sized(), Some(&b"ab"[..]));
        assert!(reader.is_empty());
        assert_eq!(reader.byte(), None);
    }
}
