//! Seed inputs for the fuzz targets, made from the wire vectors.
//!
//! The first bytes of an input are options, which each target reads in its own way.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Maximum length in bytes of a payload that becomes a seed: long inputs slow down the fuzzer.
const MAX_BYTES: usize = 300;

/// Writes the inputs of a target and returns their number.
pub(super) fn write(vectors: &Path, target: &str, folder: &Path) -> Result<usize> {
    let inputs = match target {
        "payload" => payloads(&read(vectors, "payloads")?),
        "splitter" => connections(&read(vectors, "frames")?),
        _ => frames(&read(vectors, "frames")?),
    };
    fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    for (at, input) in inputs.iter().enumerate() {
        fs::write(folder.join(format!("seed-{at:04}")), input).context("cannot write an input")?;
    }
    Ok(inputs.len())
}

fn read(folder: &Path, name: &str) -> Result<Value> {
    let path = folder.join(format!("{name}.json"));
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not JSON", path.display()))
}

/// Inputs of the target `payload`: the valid and the malformed payloads, unchanged.
fn payloads(file: &Value) -> Vec<Vec<u8>> {
    let lists = ["payloads", "malformed"].into_iter().filter_map(|list| file[list].as_array());
    lists.flatten().filter_map(|vector| hex(&vector["bytes"])).collect()
}

/// Inputs of the target `splitter`: each frame in pieces of 7 bytes, and five frames together in
/// pieces of 3 and of 255 bytes.
fn connections(file: &Value) -> Vec<Vec<u8>> {
    let frames: Vec<_> = vectors(file).filter_map(|vector| hex(&vector["frame"])).collect();
    let valid = vectors(file).filter(|vector| vector["error"].is_null());
    let valid: Vec<_> = valid.filter_map(|vector| hex(&vector["frame"])).collect();
    let mut inputs: Vec<_> = frames.iter().map(|frame| [&[0, 7], frame.as_slice()].concat()).collect();
    for few in valid.chunks(5) {
        inputs.push([&[0b010, 3, 255], few.concat().as_slice()].concat());
    }
    // A frame that is larger than the kept capacity of a buffer. Its body is 200 times 512 zeros.
    inputs.push([[0b1000, 9, 200].as_slice(), &[b'g', 0, 0, 0x80, 0xa0, 0x06]].concat());
    inputs
}

/// Inputs of the target `open`: each frame on its channel, each payload with a change, and each
/// compressed block as the body of a valid frame.
fn frames(file: &Value) -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for (at, vector) in vectors(file).enumerate() {
        let Some(frame) = hex(&vector["frame"]) else { continue };
        let options = options(vector);
        inputs.push([&[options], frame.as_slice()].concat());
        if let Some(payload) = hex(&vector["payload"]).filter(|payload| payload.len() <= MAX_BYTES) {
            let kind = u8::try_from(at % 8).unwrap_or_default();
            inputs.push([[options | 1, kind, 0, 40, 1, 0].as_slice(), &payload].concat());
        }
        if let Some(block) = block(&frame) {
            inputs.extend([0, 4, 0x20].map(|bits| [&[3 | bits], block].concat()));
        }
    }
    inputs
}

/// The option bits of the first byte: whether the frame is sealed, is on a connection, is from the
/// acceptor, and its number on the connection.
fn options(vector: &Value) -> u8 {
    let sealed = vector["keys"].as_array().is_some_and(|keys| !keys.is_empty());
    let channel = &vector["channel"];
    let number = channel["number"].as_str().and_then(|number| number.parse::<u8>().ok()).unwrap_or(0);
    u8::from(sealed) << 2
        | u8::from(channel.is_object()) << 3
        | u8::from(channel["from"] == "acceptor") << 4
        | (number & 3) << 6
}

/// The compressed block of an unsealed frame: the bytes between header and checksum.
fn block(frame: &[u8]) -> Option<&[u8]> {
    let after = frame.strip_prefix(&[b'g', 2, 0])?;
    let length = after.iter().position(|byte| *byte < 0x80)? + 1;
    after.get(length..after.len().checked_sub(4)?)
}

fn vectors(file: &Value) -> impl Iterator<Item = &Value> {
    file["vectors"].as_array().into_iter().flatten()
}

fn hex(value: &Value) -> Option<Vec<u8>> {
    let text = value.as_str()?;
    let digits = (0..text.len()).step_by(2).map(|at| text.get(at..at + 2));
    digits.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn hex_is_read() {
        assert_eq!(hex(&json!("00ff1a")), Some(vec![0, 255, 26]));
        for bad in [json!("0"), json!("0g"), json!(7), json!(null)] {
            assert_eq!(hex(&bad), None, "{bad}");
        }
    }

    #[test]
    fn the_block_of_an_unsealed_frame_is_found() {
        assert_eq!(block(&[b'g', 2, 0, 6, 1, 2, 9, 9, 9, 9]), Some([1, 2].as_slice()));
        assert_eq!(block(&[b'g', 2, 0, 0x86, 0, 1, 2, 9, 9, 9, 9]), Some([1, 2].as_slice()));
        for bad in [[b'g', 3, 0, 6, 1].as_slice(), &[b'g', 2, 0, 0x80], &[b'g', 2, 0, 1, 1, 2, 3]] {
            assert_eq!(block(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_option_bits_describe_the_channel() {
        assert_eq!(options(&json!({ "keys": [], "channel": "datagram" })), 0);
        let channel = json!({ "from": "acceptor", "number": "2" });
        assert_eq!(options(&json!({ "keys": ["00"], "channel": channel })), 0b1001_1100);
    }

    #[test]
    fn all_vectors_become_inputs() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../gm-codec/vectors");
        let file = |name| read(&folder, name).expect("it is there");
        assert!(payloads(&file("payloads")).len() > 100);
        assert!(connections(&file("frames")).len() > 100);
        assert!(frames(&file("frames")).len() > 200);
    }
}
