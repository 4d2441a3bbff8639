//! Names: a length and UTF-8.

use gm_data::GroupName;

use super::PayloadError;
use super::reader::Reader;
use super::trace::Trace;
use crate::varint;

pub(super) fn encode_text(text: &str, out: &mut Vec<u8>) {
    varint::write(text.len() as u64, out);
    out.extend_from_slice(text.as_bytes());
}

/// Decodes a text of at most `max` bytes.
#[inline]
pub(super) fn decode_text<'a, T: Trace>(
    reader: &mut Reader<'a, T>,
    what: &'static str,
    max: usize,
) -> Result<&'a str, PayloadError> {
    let length = reader.varint("length")?;
    let length = reader.checked_count(what, length, max)?;
    let bytes = reader.bytes_as(what, length, |bytes| format!("{:?}", String::from_utf8_lossy(bytes)))?;
    core::str::from_utf8(bytes).map_err(|_| PayloadError::NotUtf8)
}

/// Decodes the name of a group.
pub(super) fn decode_group_name<T: Trace>(
    reader: &mut Reader<'_, T>,
    what: &'static str,
) -> Result<GroupName, PayloadError> {
    Ok(GroupName::new(decode_text(reader, what, GroupName::MAX_BYTES)?)?)
}
