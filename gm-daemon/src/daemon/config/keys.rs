//! Keys of the settings: the encryption that they configure, their ids, and refusals in the words
//! of the settings.

use std::path::Path;

use gm_codec::Keyring;
use gm_node::keys::{self, KeyFileError, KeyTextError};

/// Public ids of the keys in use: the byte by which frames name their key. An id reveals nothing
/// else about the key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeyIds {
    /// Id of the key that seals.
    pub(crate) sealing: String,
    /// Ids of the keys that only open.
    pub(crate) others: Vec<String>,
}

impl KeyIds {
    pub(crate) fn from_keyring(keyring: &Keyring) -> KeyIds {
        let mut ids = keyring.keys().map(|key| format!("{:#04x}", key.id()));
        KeyIds { sealing: ids.next().unwrap_or_default(), others: ids.collect() }
    }
}

/// Encryption of frames.
#[derive(Clone, Debug)]
pub(crate) enum Encryption {
    Keys(Keyring),
    Insecure,
}

impl Encryption {
    /// Ids of the keys, if there are any.
    pub(crate) fn ids(&self) -> Option<KeyIds> {
        match self {
            Encryption::Keys(keyring) => Some(KeyIds::from_keyring(keyring)),
            Encryption::Insecure => None,
        }
    }
}

/// Reads the keys of a regular file, which other users must be able neither to read nor to change.
pub(crate) fn read_key_file(path: &Path) -> Result<Keyring, String> {
    let file = path.display();
    keys::from_file(path).map_err(|error| match error {
        KeyFileError::Read { source, .. } => format!("cannot read `key-file` {file}: {source}"),
        KeyFileError::NotPrivate { mode, .. } => format!(
            "`key-file` {file} can be read or written by other users (its mode is {mode:04o}): chmod 600 {file}, and consider a new key"
        ),
        KeyFileError::Exposed(exposure) => format!("`key-file`: {exposure}"),
        KeyFileError::Text { error, .. } => format!("`key-file` {file}{}", continued(error)),
    })
}

/// Parses keys. An error message continues the name of the source.
pub(crate) fn parse_keyring(text: &str) -> Result<Keyring, String> {
    keys::parse(text).map_err(continued)
}

fn continued(error: KeyTextError) -> String {
    let separator = if error == KeyTextError::Empty { ": " } else { ", " };
    format!("{separator}{error}")
}

/// Formats a key in hexadecimal.
pub(crate) fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "8f0b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c7d8e1";

    #[test]
    fn ids_name_the_sealing_key_first() {
        let keys = parse_keyring(&format!("{HEX}\n{}", HEX.replace('8', "9"))).unwrap();
        let ids = KeyIds::from_keyring(&keys);
        assert_eq!(ids.sealing, format!("{:#04x}", keys.sealing_key().id()));
        assert!(ids.sealing.len() == 4 && ids.others.len() == 1, "{ids:?}");
    }

    #[test]
    fn refusals_continue_the_name_of_their_source() {
        assert!(parse_keyring(&HEX[1..]).unwrap_err().starts_with(", line 1: it is not a key"));
        assert!(parse_keyring("\n# nothing\n").unwrap_err().starts_with(": it contains no key"));
    }
}
