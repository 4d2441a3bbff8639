//! Printing of a frame: its fields as lines, then those of its payload.

use std::fmt::Write as _;

use gm_codec::{Channel, FrameCodec, FrameError, TracedField, varint};

use crate::lines;

/// Length of magic, version and flags, and key id in bytes.
const FIXED: usize = 3;
const SEALED: u8 = 1;
const COMPRESSED: u8 = 2;

/// Appends the fields of a frame and of its payload. Returns whether both are valid.
pub(crate) fn print(codec: &FrameCodec, bytes: &[u8], out: &mut String) -> bool {
    let fields = frame_fields(bytes);
    let (mut frame, mut scratch) = (bytes.to_vec(), Vec::new());
    let opened = codec.open(&Channel::Datagram, &mut frame, &mut scratch);
    let bad = opened.as_ref().err().map(|error| (error_offset(*error, &fields, bytes.len()), *error));

    writeln!(out, "frame of {} bytes", bytes.len()).expect("writing to a string never fails");
    // Fields after an error have no meaning.
    let valid = fields.iter().filter(|field| bad.is_none_or(|(at, _)| field.at <= at));
    valid.for_each(|field| lines::print_field(bytes, field, out));
    if let Some((at, error)) = bad {
        lines::print_error(at, error.name(), &error.to_string(), out);
    }
    opened.is_ok_and(|opened| {
        let how = match (opened.seal.is_some(), opened.compressed) {
            (true, true) => "decrypted and decompressed: ",
            (true, false) => "decrypted: ",
            (false, true) => "decompressed: ",
            (false, false) => "",
        };
        write!(out, "\n{how}").expect("writing to a string never fails");
        lines::print_payload(opened.payload, codec.limits(), out)
    })
}

/// The fields for which there are enough bytes, whatever their values.
fn frame_fields(bytes: &[u8]) -> Vec<TracedField> {
    let mut fields = Vec::new();
    let mut field = |at: usize, len: usize, name, value: String| {
        let is_there = at.checked_add(len).is_some_and(|end| end <= bytes.len());
        if is_there {
            fields.push(TracedField { at, len, name, value });
        }
        is_there
    };
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let flags = byte(1);
    let is_sealed = flags & SEALED != 0;
    field(0, 1, "magic", char::from(byte(0)).escape_default().to_string());
    let sealed = if is_sealed { "sealed" } else { "not sealed" };
    let compressed = if flags & COMPRESSED != 0 { ", compressed" } else { "" };
    field(1, 1, "version and flags", format!("version {}, {sealed}{compressed}", flags >> 4));
    field(2, 1, "key id", format!("{:02x}", byte(2)));
    let Some(Ok((body, length))) = bytes.get(FIXED..).map(varint::read) else { return fields };
    field(FIXED, length, "length", format!("{body} bytes follow"));
    let at = FIXED + length;
    // A frame may announce any length, so the present bytes decide.
    let end = usize::try_from(body).map_or(usize::MAX, |body| at.saturating_add(body));
    let (before, after) = if is_sealed { (12, 16) } else { (0, 4) };
    let Some(text) = end.checked_sub(at + before + after) else { return fields };
    if is_sealed {
        field(at, 8, "epoch", String::new());
        let counter = (at + 8..at + 12).fold(0, |number, at| number << 8 | u32::from(byte(at)));
        field(at + 8, 4, "counter", counter.to_string());
    }
    let (name, check) = if is_sealed { ("ciphertext", "tag") } else { ("text", "checksum") };
    if field(at + before, text, name, format!("{text} bytes")) {
        field(at + before + text, after, check, String::new());
    }
    fields
}

/// Offset of the error in a frame of this length.
fn error_offset(error: FrameError, fields: &[TracedField], bytes: usize) -> usize {
    let at = |name: &str| fields.iter().find(|field| field.name == name).map_or(bytes, |field| field.at);
    match error {
        FrameError::BadMagic { .. } => at("magic"),
        FrameError::UnknownVersion { .. } | FrameError::UnknownFlags { .. } | FrameError::NotSealed => {
            at("version and flags")
        }
        FrameError::KeyIdOfUnsealed { .. } | FrameError::UnknownKey { .. } => at("key id"),
        FrameError::LengthOverLong
        | FrameError::LengthTooLarge
        | FrameError::TooLong { .. }
        | FrameError::TooShort { .. } => FIXED,
        FrameError::TrailingBytes { extra } => bytes - extra,
        FrameError::ReservedEpoch => at("epoch"),
        FrameError::NotAuthentic => at("tag"),
        FrameError::BadChecksum => at("checksum"),
        FrameError::PayloadTooLong { .. } | FrameError::NotSmaller { .. } | FrameError::BadCompression => {
            at("ciphertext").min(at("text"))
        }
        // Truncated, and variants that later versions add.
        _ => bytes,
    }
}
