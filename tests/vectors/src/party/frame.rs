//! Frames: `u32(length) || body`, big-endian.

use std::io::{self, Read, Write};

/// The next body; `None` at the end of the stream.
///
/// # Errors
///
/// The stream breaks, also within a frame, or a frame is longer than any of a vector.
pub(super) fn read(stream: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 4];
    match stream.read_exact(&mut head) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let length = u32::from_be_bytes(head);
    if length > LONGEST {
        return Err(io::Error::other(format!(
            "found a frame of {length} bytes, wanted at most {LONGEST}"
        )));
    }
    let mut body = vec![0; length as usize];
    stream.read_exact(&mut body)?;
    Ok(Some(body))
}

/// Writes one frame.
///
/// # Errors
///
/// The stream breaks.
pub(super) fn write(stream: &mut impl Write, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len()).map_err(io::Error::other)?;
    stream.write_all(&length.to_be_bytes())?;
    stream.write_all(body)?;
    stream.flush()
}

/// Longest body taken.
const LONGEST: u32 = 1 << 26;
