//! Prints a frame part by part, or says what is wrong with it: `inspect --key-file K --cluster C < frame.bin`. Without a key
//! file the frame must be an unsealed one. Knows nothing of sockets: the frame comes on standard input.
#![allow(clippy::print_stdout)] // It is there to print.

use std::error::Error;
use std::io::Read as _;

use gm_codec::{Body, Channel, FrameCodec, Header, Key, Keyring, Limits, Part, Payload};
use gm_data::TimedItem;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (mut key_file, mut cluster) = (None, None);
    while let Some(name) = arguments.next() {
        let value = arguments.next().ok_or_else(|| format!("{name} takes a value"))?;
        match name.as_str() {
            "--key-file" => key_file = Some(value),
            "--cluster" => cluster = Some(value),
            _ => return Err(format!("unknown option {name}: there are --key-file and --cluster").into()),
        }
    }
    let cluster = cluster.ok_or("--cluster is missing: frames are bound to their cluster's name")?.parse()?;
    let limits = Limits { datagram: 65_507, ..Limits::DEFAULT };
    let codec = match key_file {
        Some(path) => FrameCodec::new(cluster, keyring(&std::fs::read_to_string(path)?)?, limits)?,
        None => FrameCodec::insecure(cluster, limits)?,
    };

    let mut frame = Vec::new();
    std::io::stdin().read_to_end(&mut frame)?;
    println!("frame      {} bytes: {}", frame.len(), hex(&frame[..frame.len().min(24)]));
    let mut scratch = Vec::new();
    let opened = codec
        .open(&Channel::Datagram, &mut frame, &mut scratch)
        .map_err(|error| format!("the frame is refused, {}: {error}", error.name()))?;
    if let Some(seal) = opened.seal {
        println!(
            "sealed     key id {:02x}, epoch {}, counter {}",
            seal.key_id,
            hex(&seal.epoch.bytes()),
            seal.counter
        );
    }
    println!(
        "payload    {} bytes{}",
        opened.payload.len(),
        if opened.compressed { ", were compressed" } else { "" }
    );
    let payload = Payload::decode(opened.payload, &limits)
        .map_err(|error| format!("the payload is refused, {}: {error}", error.name()))?;
    print_header(&payload.header);
    print_body(&payload.body);
    Ok(())
}

fn print_header(header: &Header) {
    println!("sender     {}, broadcast {}", header.sender, header.sequence);
    if let Some(origin) = header.origin {
        println!("origin     {}, epoch {}", origin.node, hex(&origin.epoch));
    }
    if let Some(number) = header.multicast {
        println!("multicast  its last is number {number}");
    }
    if header.receipts {
        println!("receipts   are asked for");
    }
    if let Some(island) = header.island {
        println!("island     {island}");
    }
    for (name, nodes) in [("heard", &header.heard), ("lost", &header.lost), ("list", &header.list)] {
        if !nodes.is_empty() {
            let nodes: Vec<String> = nodes.iter().map(ToString::to_string).collect();
            println!("{name:<10} {}", nodes.join(" "));
        }
    }
}

fn print_body(body: &Body) {
    match body {
        Body::Application(application) => {
            println!(
                "application {:?}, {} bytes: {}",
                application.name,
                application.bytes.len(),
                hex(&application.bytes)
            );
        }
        Body::Group(group) => {
            println!("group      {:?}, {} parts", group.name, group.parts.len());
            for part in &group.parts {
                match part {
                    Part::Record(record) => {
                        let (live, all) = record.counts();
                        println!(
                            "  record of {}: {}, floor {}, {live} live of {all} items",
                            record.member(),
                            record.version(),
                            record.floor()
                        );
                        record.timed_items().for_each(|timed| print_item(&timed));
                    }
                    Part::Increment(increment) => {
                        let (since, upto) = increment.span();
                        let stamp = increment.stamp();
                        println!(
                            "  increment of {}: life {}, ({since}, {upto}], digest {:016x}",
                            increment.member(),
                            stamp.version.incarnation,
                            stamp.digest
                        );
                        increment.items().for_each(|timed| print_item(&timed));
                    }
                }
            }
        }
    }
}

fn print_item(timed: &TimedItem) {
    let item = &timed.item;
    println!(
        "    {} {} port {} priority {} at {}",
        item.op(),
        item.range(),
        item.port(),
        item.priority(),
        timed.time
    );
}

/// One key a line, 64 hex digits; the first is the sealing one, which makes no difference here.
fn keyring(text: &str) -> Result<Keyring, Box<dyn Error>> {
    let mut ring: Option<Keyring> = None;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let key = Key::new(key(line).ok_or("a key is 64 hex digits")?);
        ring = Some(match ring {
            Some(ring) => ring.with(key)?,
            None => Keyring::new(key),
        });
    }
    ring.ok_or_else(|| "the key file has no key".into())
}

fn key(line: &str) -> Option<[u8; Key::BYTES]> {
    if line.len() != 2 * Key::BYTES || !line.is_ascii() {
        return None;
    }
    let mut key = [0; Key::BYTES];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&line[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(key)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
