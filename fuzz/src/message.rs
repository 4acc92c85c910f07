//! Control messages: bytes are a message that encodes to the same bytes, or an error in words.

use veilsum_proto::message::{Caps, Message};

/// Decodes under the caps of a small and of a large federation.
pub fn run(data: &[u8]) {
    let small = decode(data, &Caps::new(3, 2));
    let large = decode(data, &Caps::of_roster(100_000));
    if let Some(message) = small {
        assert_eq!(
            Some(message),
            large,
            "a larger cap refuses what a smaller one takes"
        );
    }
}

fn decode(data: &[u8], caps: &Caps) -> Option<Message> {
    match Message::decode(data, caps) {
        Ok(message) => {
            assert_eq!(
                message.encode(),
                data,
                "decode is not the inverse of encode"
            );
            assert!(data.len() <= caps.largest());
            assert!(!format!("{message:?}").is_empty());
            Some(message)
        }
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.kind().is_empty());
            None
        }
    }
}
