//! The vectors of varints and replay windows: generated from their description, compared with the
//! committed files, and decoded again.

mod common;

use common::{committed, epoch, hex, unhex};
use gm_codec::{Epoch, Limits, ReplayStatus, ReplayWindow, varint};
use serde_json::{Value, json};

#[test]
fn varints() {
    let mut numbers = vec![0, 1, 300, 65_535, 0x0123_4567_89ab_cdef, u64::MAX];
    for bits in (7..64).step_by(7) {
        numbers.extend([(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 1]);
    }
    let good = |number: u64| {
        let bytes = common::varint(number);
        let mut written = Vec::new();
        varint::write(number, &mut written);
        assert_eq!((written.len(), &written), (varint::len(number), &bytes), "{number}");
        json!({ "bytes": hex(&bytes), "number": number.to_string() })
    };
    let mut vectors: Vec<Value> = numbers.into_iter().map(good).collect();
    let bad = |bytes: &str, error: &str| json!({ "bytes": bytes, "error": error });
    vectors.push(bad("", "Truncated"));
    for bytes in 1..10 {
        vectors.push(bad(&"80".repeat(bytes), "Truncated"));
        vectors.push(bad(&format!("{}00", "ff".repeat(bytes)), "OverLong"));
        vectors.push(bad(&format!("{}00", "80".repeat(bytes)), "OverLong"));
    }
    let nine = "ff".repeat(9);
    for tenth in ["02", "7f", "80", "ff", "8000"] {
        vectors.push(bad(&format!("{nine}{tenth}"), "TooLarge"));
    }
    let note = "A varint, and the number that it is or the error that it gives.";
    for vector in committed("varints", note, vectors) {
        let bytes = unhex(vector["bytes"].as_str().expect("hex"));
        match (varint::read(&bytes), vector["error"].as_str()) {
            (Ok((number, len)), None) => {
                assert_eq!(
                    (json!(number.to_string()), len),
                    (vector["number"].clone(), bytes.len()),
                    "{vector}"
                );
                let more = [bytes.as_slice(), &[0xff]].concat();
                assert_eq!(varint::read(&more), Ok((number, len)), "later bytes make no difference");
            }
            (Err(error), Some(name)) => assert_eq!(error.name(), name, "{vector}"),
            other => panic!("{vector}: {other:?}"),
        }
    }
}

#[test]
fn replay() {
    let limits = Limits { replay_epochs: 2, ..Limits::default() };
    let (a, b, c) = (1, 2, u64::MAX);
    let runs: [(&str, &[(u64, u32)]); 8] = [
        ("each once", &[(a, 0), (a, 1), (a, 2), (a, 2), (a, 0), (a, 1)]),
        ("out of order", &[(a, 9), (a, 3), (a, 5), (a, 3), (a, 9), (a, 4)]),
        ("the edge of the window", &[(a, 1_024), (a, 1), (a, 0), (a, 1), (a, 1_025), (a, 1), (a, 2), (a, 2)]),
        ("a great leap", &[(a, 0), (a, 5_000), (a, 0), (a, 3_977), (a, 3_976), (a, 4_999), (a, 4_999)]),
        ("the last counter", &[(a, u32::MAX), (a, u32::MAX), (a, u32::MAX - 1_023), (a, u32::MAX - 1_024)]),
        ("epochs know nothing of each other", &[(a, 7), (b, 7), (a, 7), (b, 7)]),
        ("the third drives the first out", &[(a, 7), (b, 7), (c, 7), (b, 7), (a, 7), (b, 7)]),
        ("a replay does not keep an epoch", &[(a, 7), (b, 7), (a, 7), (c, 7), (a, 7), (c, 7)]),
    ];
    let vector = |(what, run): (&str, &[(u64, u32)])| {
        let mut window = ReplayWindow::new(&limits);
        let step = |(number, counter): &(u64, u32)| {
            let name = window.check_and_set(epoch(*number), *counter).name();
            json!([epoch(*number).to_string(), counter, name])
        };
        json!({ "what": what, "epochs": 2, "steps": run.iter().map(step).collect::<Vec<_>>() })
    };
    let note = "A window for so many epochs, new in each vector: what it says of an epoch and a counter, step by step.";
    let vectors = committed("replay", note, runs.into_iter().map(vector).collect());
    for vector in vectors {
        let mut window = ReplayWindow::new(&limits);
        for step in vector["steps"].as_array().expect("a list") {
            let bytes = unhex(step[0].as_str().expect("hex")).try_into().expect("8 bytes");
            let counter = step[1].as_u64().and_then(|counter| u32::try_from(counter).ok()).expect("32 bits");
            let actual: ReplayStatus = window.check_and_set(Epoch::new(bytes).expect("not zero"), counter);
            assert_eq!(actual.name(), step[2], "{vector} at {step}");
        }
    }
}
