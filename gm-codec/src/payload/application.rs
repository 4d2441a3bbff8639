//! Something of an application's own. Knows nothing of what it means.

use super::reader::Reader;
use super::trace::Trace;
use super::{PayloadError, check, names};

/// Something of an application's own: bytes that mean something to whoever registered the name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationPayload {
    /// The name of the payload's type: 1 to 64 bytes of UTF-8 without control characters.
    pub name: String,
    /// What it says.
    pub bytes: Vec<u8>,
}

/// Bytes of the name of an application's payload type, at most.
const MAX_NAME: usize = 64;

impl ApplicationPayload {
    pub(super) fn check(&self) -> Result<(), PayloadError> {
        check::at_most("name", self.name.len(), MAX_NAME)?;
        check_name(&self.name)
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        names::encode_text(&self.name, out);
        // The rest of the payload: it needs no length of its own.
        out.extend_from_slice(&self.bytes);
    }

    pub(super) fn decode<T: Trace>(reader: &mut Reader<'_, T>) -> Result<ApplicationPayload, PayloadError> {
        let name = names::decode_text(reader, "name", MAX_NAME)?;
        check_name(name)?;
        let bytes = reader.bytes("bytes", reader.remaining())?.to_vec();
        Ok(ApplicationPayload { name: name.to_owned(), bytes })
    }
}

fn check_name(name: &str) -> Result<(), PayloadError> {
    if name.is_empty() || name.chars().any(char::is_control) {
        return Err(PayloadError::BadApplicationName);
    }
    Ok(())
}
