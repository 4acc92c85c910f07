//! Not the meaning of a frame: bodies are opaque. A frame is its length as a 32-bit big-endian number and
//! then that many bytes. The length is a claim of the peer; memory follows the bytes that came, not it.

use std::mem;

use bytes::{Bytes, BytesMut};
use quinn::{ReadError, RecvStream};
use thiserror::Error;

use crate::close::{Closed, StreamCode};

/// Why no further frame could be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FrameError {
    /// The announced length is over the limit.
    #[error("frame has {found} bytes, wanted at most {wanted}")]
    TooLarge {
        /// Bytes announced.
        found: usize,
        /// The limit.
        wanted: usize,
    },
    /// The stream ended inside a frame.
    #[error("stream ended after {found} of {wanted} bytes of a frame")]
    Truncated {
        /// Bytes of the frame that came, its length included.
        found: usize,
        /// Bytes of the frame, its length included; 4 if not even the length came.
        wanted: usize,
    },
    /// The peer reset the stream.
    #[error("stream reset by the peer: {0}")]
    Reset(StreamCode),
    /// The frames of this stream have already ended.
    #[error("stream has already ended")]
    Ended,
    /// The connection is gone.
    #[error(transparent)]
    Closed(#[from] Closed),
}

/// The frame under construction. It outlives a dropped read, which makes reading cancel-safe.
#[derive(Debug, Default)]
pub(crate) struct FrameDecoder {
    length: Option<usize>,
    buffer: BytesMut,
}

impl FrameDecoder {
    /// Takes in at most `wanted()` bytes and returns the frame they complete.
    pub(crate) fn take(&mut self, bytes: &[u8], limit: usize) -> Result<Option<Bytes>, FrameError> {
        self.buffer.extend_from_slice(bytes); // grows with what came; spec: [control.allocation]
        if self.length.is_none() {
            let Some(head) = self.buffer.first_chunk::<HEAD>() else {
                return Ok(None);
            };
            let length = usize::try_from(u32::from_be_bytes(*head)).unwrap_or(usize::MAX);
            // spec: [control.limit]
            if length > limit {
                return Err(FrameError::TooLarge {
                    found: length,
                    wanted: limit,
                });
            }
            self.length = Some(length);
            self.buffer.clear();
        }
        if self.length == Some(self.buffer.len()) {
            self.length = None;
            // All of it goes: what is left of a buffer keeps alive what the frame lies in, until the next one comes.
            return Ok(Some(mem::take(&mut self.buffer).freeze()));
        }
        Ok(None)
    }

    /// How many bytes to read next: to the end of the length or of the body, in bounded pieces.
    pub(crate) fn wanted(&self) -> usize {
        self.length
            .unwrap_or(HEAD)
            .saturating_sub(self.buffer.len())
            .clamp(1, PIECE)
    }

    /// What the end of the stream means here: nothing between frames, an error within one.
    pub(crate) fn end(&self) -> Result<(), FrameError> {
        match self.length {
            None if self.buffer.is_empty() => Ok(()),
            None => Err(FrameError::Truncated {
                found: self.buffer.len(),
                wanted: HEAD,
            }),
            // spec: [control.truncated]
            Some(length) => Err(FrameError::Truncated {
                found: self.buffer.len().saturating_add(HEAD),
                wanted: length.saturating_add(HEAD),
            }),
        }
    }
}

/// Reads the next frame; `None` is a clean end. Dropping the future loses nothing.
pub(crate) async fn read_frame(
    stream: &mut RecvStream,
    decoder: &mut FrameDecoder,
    limit: impl Fn() -> usize,
) -> Result<Option<Bytes>, FrameError> {
    loop {
        let Some(chunk) = stream.read_chunk(decoder.wanted(), true).await? else {
            return decoder.end().map(|()| None);
        };
        if let Some(frame) = decoder.take(&chunk.bytes, limit())? {
            return Ok(Some(frame));
        }
    }
}

/// The length that goes before `body`; `None` if 32 bits cannot say it.
pub(crate) fn head(body: &Bytes) -> Option<Bytes> {
    let length = u32::try_from(body.len()).ok()?;
    Some(Bytes::copy_from_slice(&length.to_be_bytes()))
}

impl From<ReadError> for FrameError {
    fn from(error: ReadError) -> Self {
        match error {
            ReadError::Reset(code) => Self::Reset(StreamCode::from_wire(code)),
            ReadError::ConnectionLost(error) => Self::Closed(error.into()),
            ReadError::ClosedStream
            | ReadError::IllegalOrderedRead
            | ReadError::ZeroRttRejected => Self::Ended,
        }
    }
}

/// Bytes of the length.
const HEAD: usize = 4;

/// Most bytes taken from the stream at once.
const PIECE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encode(body: &[u8]) -> Vec<u8> {
        let body = Bytes::copy_from_slice(body);
        [head(&body).unwrap(), body].concat()
    }

    /// Feeds bytes as a stream would, in pieces of at most `piece`.
    fn decode(bytes: &[u8], limit: usize, piece: usize) -> Result<Vec<Bytes>, FrameError> {
        let (mut decoder, mut rest, mut frames) = (FrameDecoder::default(), bytes, Vec::new());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(decoder.wanted().min(piece).min(rest.len()));
            frames.extend(decoder.take(now, limit)?);
            rest = later;
        }
        decoder.end().map(|()| frames)
    }

    // spec: [control.allocation]
    #[test]
    fn a_length_of_four_gigabytes_without_a_body_allocates_nothing() {
        let mut decoder = FrameDecoder::default();
        assert_eq!(decoder.take(&[0xff; 4], usize::MAX), Ok(None));
        assert_eq!(decoder.wanted(), PIECE);
        assert!(
            decoder.buffer.capacity() < 1024,
            "{}",
            decoder.buffer.capacity()
        );
        let error = FrameError::Truncated {
            found: 4,
            wanted: 0xffff_ffff + 4,
        };
        assert_eq!(decoder.end(), Err(error));
    }

    #[test]
    fn between_frames_no_memory_is_kept() {
        let mut decoder = FrameDecoder::default();
        let (mut rest, mut frame) = (encode(&[7; 20_000]), None);
        while !rest.is_empty() {
            let later = rest.split_off(decoder.wanted().min(1000).min(rest.len()));
            frame = decoder.take(&rest, usize::MAX).unwrap();
            rest = later;
        }
        assert_eq!(frame.unwrap(), [7; 20_000].as_slice());
        assert_eq!(decoder.buffer.capacity(), 0);
    }

    // spec: [control.limit]
    #[test]
    fn a_frame_of_the_limit_passes_and_one_byte_more_does_not() {
        assert_eq!(
            decode(&encode(&[1; 8]), 8, 99).unwrap(),
            [Bytes::from_static(&[1; 8])]
        );
        let error = FrameError::TooLarge {
            found: 9,
            wanted: 8,
        };
        assert_eq!(decode(&encode(&[1; 9]), 8, 99), Err(error));
    }

    // spec: [control.truncated]
    #[test]
    fn every_cut_inside_a_frame_is_named() {
        let whole = encode(b"abc");
        for cut in 1..whole.len() {
            let wanted = if cut < 4 { 4 } else { 7 };
            let error = FrameError::Truncated { found: cut, wanted };
            assert_eq!(decode(&whole[..cut], 8, 99), Err(error));
        }
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            bodies in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6),
            piece in 1_usize..50,
        ) {
            let bytes: Vec<u8> = bodies.iter().flat_map(|body| encode(body)).collect();
            prop_assert_eq!(decode(&bytes, 40, piece).unwrap(), bodies);
        }

        #[test]
        fn any_bytes_decode_to_what_encodes_back(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(frames) = decode(&bytes, 64, 7) {
                let again: Vec<u8> = frames.iter().flat_map(|frame| encode(frame)).collect();
                prop_assert_eq!(again, bytes);
            }
        }
    }
}
