//! An application's own payload (tag 2), opaque to gm.

use bytes::Bytes;

use super::reader::Reader;
use super::trace::Trace;
use super::{PayloadError, check, names};

/// An application's own payload: a type name and bytes that only the application interprets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationPayload {
    /// The name of the payload's type: 1 to 64 bytes of UTF-8 without control characters.
    pub name: String,
    /// The content. A slice of a buffer keeps the whole buffer in memory.
    pub bytes: Bytes,
}

/// Maximum length of the name in bytes.
const MAX_NAME: usize = 64;

impl ApplicationPayload {
    pub(super) fn check(&self) -> Result<(), PayloadError> {
        check::at_most("name", self.name.len(), MAX_NAME)?;
        check_name(&self.name)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        names::encode_text(&self.name, out);
        // The content fills the rest of the payload, so it has no length field.
        out.extend_from_slice(&self.bytes);
    }

    pub(super) fn decode<T: Trace>(reader: &mut Reader<'_, T>) -> Result<ApplicationPayload, PayloadError> {
        let name = names::decode_text(reader, "name", MAX_NAME)?;
        check_name(name)?;
        let bytes = reader.content("bytes", reader.remaining())?;
        Ok(ApplicationPayload { name: name.to_owned(), bytes })
    }
}

fn check_name(name: &str) -> Result<(), PayloadError> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(PayloadError::BadApplicationName);
    }
    Ok(())
}
