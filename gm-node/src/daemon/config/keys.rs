//! Parser of keys. It refuses keys that are publicly known or guessable, and no message contains a
//! key.

use std::path::Path;

use gm_codec::{Key, Keyring};
use gm_node::permissions;

/// Maximum size of a key file: several hundred keys.
const MAX_FILE_BYTES: u64 = 64 << 10;

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

/// Keys published with the original, the prototype from which gm began.
const PUBLISHED_KEYS: [&[u8; 32]; 2] =
    [b"01234567890123456789012345678901", b"01234567890123456789012345678912"];

/// Reads the keys of a regular file, which other users must be able neither to read nor to change.
pub(crate) fn read_key_file(path: &Path) -> Result<Keyring, String> {
    let file = path.display();
    let system = |error: std::io::Error| format!("cannot read `key-file` {file}: {error}");
    let (text, meta) = super::read_text(path, MAX_FILE_BYTES).map_err(system)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&meta) & 0o7777;
        if mode & 0o077 != 0 {
            return Err(format!(
                "`key-file` {file} can be read or written by other users (its mode is {mode:04o}): chmod 600 {file}, and consider a new key"
            ));
        }
    }
    permissions::check_permissions(path, &meta).map_err(|exposure| format!("`key-file`: {exposure}"))?;
    parse_keyring(&text).map_err(|why| format!("`key-file` {file}{why}"))
}

/// Parses keys. An error message continues the name of the source.
pub(crate) fn parse_keyring(text: &str) -> Result<Keyring, String> {
    let mut keys: Option<Keyring> = None;
    for (number, line) in text.lines().map(str::trim).enumerate() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |why: &str| format!(", line {}: {why}", number + 1);
        if PUBLISHED_KEYS.iter().any(|known| line.as_bytes() == known.as_slice()) {
            return Err(wrong(NOT_SECRET));
        }
        let bytes = parse_hex(line).or_else(|| parse_base64(line)).ok_or_else(|| {
            wrong(
                "it is not a key: use 64 hexadecimal digits, or base64 of 32 bytes. `gm-node keygen` prints one",
            )
        })?;
        if is_guessable(&bytes) {
            return Err(wrong(NOT_SECRET));
        }
        let key = Key::new(bytes);
        keys = Some(match keys {
            None => Keyring::new(key),
            Some(keys) => keys.with(key).map_err(|error| wrong(&error.to_string()))?,
        });
    }
    keys.ok_or_else(|| ": it contains no key. `gm-node keygen` prints one".to_owned())
}

const NOT_SECRET: &str =
    "this key is not secret: it is publicly known or guessable. `gm-node keygen` prints a random one";

/// Formats a key in hexadecimal.
pub(crate) fn to_hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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

    #[test]
    fn keys_are_hexadecimal_or_base64() {
        assert_eq!(parse_hex(HEX), parse_base64(BASE64));
        let url = BASE64.replace('+', "-").replace('/', "_").replace('=', "");
        assert_eq!(parse_hex(HEX), parse_base64(&url));
        let keys = parse_keyring(&format!("# the new one\n{HEX}\n\n{}\n", HEX.replace('8', "9"))).unwrap();
        assert_eq!(keys.keys().count(), 2);
        let ids = KeyIds::from_keyring(&keys);
        assert_eq!(ids.sealing, format!("{:#04x}", keys.sealing_key().id()));
        assert!(ids.sealing.len() == 4 && ids.others.len() == 1, "{ids:?}");
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
            let error = parse_keyring(text).unwrap_err();
            assert!(
                error.contains("not secret") && error.contains("keygen") && !error.contains(text),
                "{error}"
            );
        }
        let error = parse_keyring(&HEX[1..]).unwrap_err();
        assert!(error.contains("line 1") && !error.contains(&HEX[1..]), "{error}");
        assert!(parse_keyring("\n# nothing\n").unwrap_err().contains("contains no key"));
        assert!(parse_keyring(&format!("{HEX}\n{HEX}")).unwrap_err().contains("line 2"));
    }
}
