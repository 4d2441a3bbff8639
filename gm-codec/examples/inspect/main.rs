//! Prints a frame and its payload field by field: offset, bytes, name and meaning. Of an invalid
//! frame it prints the fields before the error, then the error and its offset. It reads the bytes
//! from standard input:
//!
//! ```sh
//! inspect --key-file K --cluster C < frame.bin   # a sealed datagram; K: one key a line, in hex
//! inspect --unsealed --cluster C < frame.bin     # an unsealed one
//! inspect --payload < payload.bin                # a payload alone
//! ```
//!
//! With `--hex` the input is hex digits, as in the vectors. Frames of connections cannot be opened,
//! because they are bound to the random bytes that both sides sent first.
#![allow(clippy::print_stdout)] // Printing is its purpose.

use std::error::Error;
use std::io::Read as _;
use std::process::ExitCode;

use gm_codec::{FrameCodec, Key, Keyring, Limits};

mod frame;
mod lines;
#[cfg(test)]
mod tests;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let options = Options::parse(std::env::args().skip(1))?;
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes)?;
    if options.hex {
        bytes = unhex(&String::from_utf8(bytes)?).ok_or("the input is not hex digits")?;
    }
    let codec = match (options.payload, options.cluster) {
        (true, _) => None,
        (false, None) => return Err("--cluster is missing: frames are bound to their cluster's name".into()),
        (false, Some(cluster)) => {
            let limits = Limits { datagram: 65_507, ..Limits::DEFAULT };
            Some(match options.key_file {
                Some(path) => {
                    let keys = keyring(&std::fs::read_to_string(path)?)?;
                    FrameCodec::new(cluster.parse()?, keys, limits)?
                }
                None if options.unsealed => FrameCodec::insecure(cluster.parse()?, limits)?,
                None => return Err("--key-file is missing, or --unsealed for an unsealed frame".into()),
            })
        }
    };
    let mut out = String::new();
    let is_valid = match &codec {
        Some(codec) => frame::print(codec, &bytes, &mut out),
        None => lines::print_payload(&bytes, &Limits::DEFAULT, &mut out),
    };
    print!("{out}");
    Ok(if is_valid { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The parsed command line.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    key_file: Option<String>,
    cluster: Option<String>,
    unsealed: bool,
    payload: bool,
    hex: bool,
}

impl Options {
    fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
        let mut options = Options::default();
        while let Some(name) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{name} takes a value"));
            match name.as_str() {
                "--key-file" => options.key_file = Some(value()?),
                "--cluster" => options.cluster = Some(value()?),
                "--unsealed" => options.unsealed = true,
                "--payload" => options.payload = true,
                "--hex" => options.hex = true,
                _ => {
                    let known = "--key-file K, --cluster C, --unsealed, --payload, --hex";
                    return Err(format!("unknown option {name}; options: {known}"));
                }
            }
        }
        if options.unsealed && options.key_file.is_some() {
            return Err("--unsealed and --key-file exclude each other".to_owned());
        }
        Ok(options)
    }
}

/// The keys of a file with one key a line, 64 hex digits each. The first one seals, which makes no
/// difference here.
fn keyring(text: &str) -> Result<Keyring, Box<dyn Error>> {
    let mut ring: Option<Keyring> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let bytes = unhex(line).and_then(|bytes| <[u8; Key::BYTES]>::try_from(bytes).ok());
        let key = Key::new(bytes.ok_or("a key is 64 hex digits")?);
        ring = Some(match ring {
            Some(ring) => ring.with(key)?,
            None => Keyring::new(key),
        });
    }
    ring.ok_or_else(|| "the key file has no key".into())
}

/// Bytes from hex digits; white space is ignored.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digits = text.chars().filter(|digit| !digit.is_whitespace()).map(|digit| digit.to_digit(16));
    let digits: Vec<u32> = digits.collect::<Option<_>>()?;
    let pair = |pair: &[u32]| match pair {
        [high, low] => u8::try_from(high << 4 | low).ok(),
        _ => None,
    };
    digits.chunks(2).map(pair).collect()
}
