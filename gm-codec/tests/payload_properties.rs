//! Round trips of payloads: what is encoded decodes to the same value, and what decodes has only
//! one encoding.

mod payloads;

use bytes::Bytes;
use gm_codec::{Body, Payload};
use payloads::{encoded, limits, payload};
use proptest::collection::vec;
use proptest::prelude::*;

/// Accepted bytes are the encoding of the decoded value, and a shared buffer decodes the same.
fn canonical(bytes: &[u8]) -> Result<(), TestCaseError> {
    let decoded = Payload::decode(bytes, &limits());
    prop_assert_eq!(Payload::decode_shared(&Bytes::copy_from_slice(bytes), &limits()), decoded.clone());
    if let Ok(payload) = decoded {
        prop_assert_eq!(encoded(&payload), bytes);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn payloads_round_trip(payload in payload()) {
        let bytes = encoded(&payload);
        prop_assert_eq!(Payload::decode(&bytes, &limits()), Ok(payload));
        canonical(&bytes)?;
    }

    #[test]
    fn accepted_encodings_are_canonical(payload in payload(), at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = encoded(&payload);
        let at = at % bytes.len();
        bytes[at] = byte;
        canonical(&bytes)?;
        bytes[at] ^= 1;
        canonical(&bytes)?;
    }

    #[test]
    fn truncated_payloads_are_refused(payload in payload(), at in any::<usize>()) {
        let bytes = encoded(&payload);
        let cut = &bytes[..at % bytes.len()];
        // An application's content and a retransmitted payload fill the rest, so a truncated one is
        // another valid payload.
        match &payload.body {
            Body::Application(_) | Body::Retransmission(_) => canonical(cut)?,
            _ => prop_assert!(Payload::decode(cut, &limits()).is_err()),
        }
    }

    #[test]
    fn traced_decoding_matches_decoding(payload in payload(), at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = encoded(&payload);
        let at = at % bytes.len();
        bytes[at] = byte;
        let mut read = 0;
        let traced = Payload::decode_traced(&bytes, &limits(), &mut |field| {
            assert_eq!(field.at, read);
            read += field.len;
        });
        let decoded = Payload::decode(&bytes, &limits());
        prop_assert!(read <= bytes.len() && (decoded.is_err() || read == bytes.len()));
        prop_assert_eq!(traced.map_err(|fault| fault.error), decoded);
    }

    #[test]
    fn any_bytes_are_refused_or_canonical(bytes in vec(any::<u8>(), 0..200)) {
        canonical(&bytes)?;
    }

    /// Small numbers are mostly valid, so they reach deeper into the decoder than random bytes.
    #[test]
    fn any_small_bytes_are_refused_or_canonical(bytes in vec(0..9_u8, 0..60)) {
        canonical(&bytes)?;
    }
}
