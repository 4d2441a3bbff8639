//! Keys of a cluster: reads them from text or from a file, and generates a new one. Keys that are
//! publicly known or guessable are refused, and no message contains a key.

#[cfg(feature = "disk")]
use std::path::{Path, PathBuf};

use gm_codec::{Key, Keyring, KeyringError};
use thiserror::Error;

/// Reason why a text contains no valid keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyTextError {
    /// No line has a key.
    #[error("it contains no key. `gm-node keygen` prints one")]
    Empty,
    /// A line is not a key.
    #[error(
        "line {line}: it is not a key: use 64 hexadecimal digits, or base64 of 32 bytes. `gm-node keygen` prints one"
    )]
    Malformed {
        /// Number of the line, from 1.
        line: usize,
    },
    /// A key is publicly known or guessable.
    #[error(
        "line {line}: this key is not secret: it is publicly known or guessable. `gm-node keygen` prints a random one"
    )]
    NotSecret {
        /// Number of the line, from 1.
        line: usize,
    },
    /// A key cannot be added to the earlier ones.
    #[error("line {line}: {error}")]
    Refused {
        /// Number of the line, from 1.
        line: usize,
        /// The cause.
        error: KeyringError,
    },
}

/// Reason why a key file was refused.
#[cfg(feature = "disk")]
#[derive(Debug, Error)]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read the key file {}: {source}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// The error of the system.
        source: std::io::Error,
    },
    /// Other users can read the file.
    #[error(
        "the key file {0} can be read or written by other users (its mode is {mode:04o}): chmod 600 {0}, and consider a new key",
        file.display()
    )]
    NotPrivate {
        /// The file.
        file: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// Other users can change the file.
    #[error("the key file is not safe: {0}")]
    Exposed(#[from] crate::permissions::Exposure),
    /// The file contains no valid keys.
    #[error("the key file {}: {error}", file.display())]
    Text {
        /// The file.
        file: PathBuf,
        /// The cause.
        error: KeyTextError,
    },
}

/// Maximum size of a key file: several hundred keys.
#[cfg(feature = "disk")]
const MAX_FILE_BYTES: u64 = 64 << 10;
/// Maximum time for the file system to respond.
#[cfg(feature = "disk")]
const FILE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(10);

/// Keys published with the original, the prototype from which gm began.
const PUBLISHED_KEYS: [&[u8; 32]; 2] =
    [b"01234567890123456789012345678901", b"01234567890123456789012345678912"];

/// A new key of 32 random bytes of the system. It exists in this process only: nodes of other
/// processes share a key by a file, which `gm-node keygen` prints.
///
/// # Errors
/// The system's random generator failed.
#[cfg(feature = "runtime")]
pub fn generate() -> Result<Key, gm_broadcast::runtime::RuntimeError> {
    gm_broadcast::runtime::entropy().map(Key::new)
}

/// Reads the keys of a regular file of at most 64 KiB, which other users must be able neither to
/// read nor to change. Each line is a key of 64 hexadecimal digits or base64 of 32 bytes, a comment
/// (`#`), or blank. The first key seals; all keys open.
///
/// # Errors
/// A [`KeyFileError`] with its remedy; after ten seconds, that the file system does not respond.
#[cfg(feature = "disk")]
pub fn from_file(path: impl AsRef<Path>) -> Result<Keyring, KeyFileError> {
    read_file(path.as_ref())
}

#[cfg(feature = "disk")]
fn read_file(path: &Path) -> Result<Keyring, KeyFileError> {
    use crate::file;

    let file = || path.to_owned();
    let owned = file();
    let read = file::run_within(FILE_TIMEOUT, move || {
        let (bytes, meta) = file::read_regular(&owned, MAX_FILE_BYTES)?;
        Ok((file::utf8_text(bytes)?, meta))
    });
    let (text, meta) =
        read.and_then(|read| read).map_err(|source| KeyFileError::Read { file: file(), source })?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&meta) & 0o7777;
        if mode & 0o077 != 0 {
            return Err(KeyFileError::NotPrivate { file: file(), mode });
        }
    }
    crate::permissions::check_permissions(path, &meta)?;
    parse(&text).map_err(|error| KeyFileError::Text { file: file(), error })
}

/// Parses keys in the format of [`from_file`].
///
/// # Errors
/// A [`KeyTextError`] with the number of the line.
pub fn parse(text: &str) -> Result<Keyring, KeyTextError> {
    let mut keys: Option<Keyring> = None;
    for (number, text) in text.lines().map(str::trim).enumerate() {
        let line = number + 1;
        if text.is_empty() || text.starts_with('#') {
            continue;
        }
        if PUBLISHED_KEYS.iter().any(|known| text.as_bytes() == known.as_slice()) {
            return Err(KeyTextError::NotSecret { line });
        }
        let bytes = parse_hex(text).or_else(|| parse_base64(text)).ok_or(KeyTextError::Malformed { line })?;
        if is_guessable(&bytes) {
            return Err(KeyTextError::NotSecret { line });
        }
        let key = Key::new(bytes);
        keys = Some(match keys {
            None => Keyring::new(key),
            Some(keys) => keys.with(key).map_err(|error| KeyTextError::Refused { line, error })?,
        });
    }
    keys.ok_or(KeyTextError::Empty)
}

fn is_guessable(bytes: &[u8; 32]) -> bool {
    let step = bytes[1].wrapping_sub(bytes[0]);
    let is_progression = bytes.windows(2).all(|pair| pair[1].wrapping_sub(pair[0]) == step);
    is_progression || PUBLISHED_KEYS.contains(&bytes)
}

fn parse_hex(text: &str) -> Option<[u8; 32]> {
    let digits: Vec<u8> = text
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect::<Option<_>>()?;
    let bytes: Vec<u8> = digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    bytes.try_into().ok().filter(|_| digits.len() == 64)
}

/// Parses base64 of both alphabets, with or without padding.
fn parse_base64(text: &str) -> Option<[u8; 32]> {
    let text = text.strip_suffix('=').unwrap_or(text);
    if text.len() != 43 {
        return None;
    }
    let (mut bytes, mut bits, mut buffer) = (Vec::with_capacity(32), 0_u32, 0_u32);
    for digit in text.bytes() {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        buffer = buffer << 6 | u32::from(six);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from(buffer >> bits & 0xff).ok()?);
        }
    }
    bytes.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "8f0b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c7d8e1";
    const BASE64: &str = "jwscLT5PUGFyg5SltsfY6foLHC0+T1BhcoOUpbbH2OE=";

    fn to_hex(bytes: &[u8; 32]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn keys_are_hexadecimal_or_base64() {
        assert_eq!(parse_hex(HEX), parse_base64(BASE64));
        let url = BASE64.replace('+', "-").replace('/', "_").replace('=', "");
        assert_eq!(parse_hex(HEX), parse_base64(&url));
        let keys = parse(&format!("# the new one\n{HEX}\n\n{}\n", HEX.replace('8', "9"))).unwrap();
        assert_eq!(keys.keys().count(), 2);
        assert_eq!(*keys.sealing_key(), Key::new(parse_hex(&HEX.to_uppercase()).unwrap()));
        assert_eq!(to_hex(&parse_base64(BASE64).unwrap()), HEX);
    }

    #[test]
    fn guessable_keys_are_refused_and_never_shown() {
        let ascending = to_hex(&std::array::from_fn(|at| u8::try_from(at).unwrap()));
        let original = to_hex(b"01234567890123456789012345678912");
        let zeros = "0".repeat(64);
        let texts = [&*ascending, &*original, &*zeros, "01234567890123456789012345678901"];
        for text in texts {
            let error = parse(text).unwrap_err();
            assert_eq!(error, KeyTextError::NotSecret { line: 1 });
            let error = error.to_string();
            assert!(error.contains("keygen") && !error.contains(text), "{error}");
        }
        let error = parse(&HEX[1..]).unwrap_err();
        assert_eq!(error, KeyTextError::Malformed { line: 1 });
        assert!(!error.to_string().contains(&HEX[1..]), "{error}");
        assert_eq!(parse("\n# nothing\n").unwrap_err(), KeyTextError::Empty);
        assert!(matches!(parse(&format!("{HEX}\n{HEX}")), Err(KeyTextError::Refused { line: 2, .. })));
    }

    #[cfg(feature = "runtime")]
    #[test]
    fn generated_keys_differ() {
        assert_ne!(generate().unwrap(), generate().unwrap());
    }
}
