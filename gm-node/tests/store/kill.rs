//! Durability of what a killed process had reported.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use gm_broadcast::Time;
use gm_node::store::Store;
use gm_node::store::disk::DiskStore;

use crate::fixture::{Directory, contact_batch, node, scattered, wait};

const DIRECTORY: &str = "GM_STORE_CHILD";
/// Number of batches in flight.
const AHEAD: u32 = 8;

/// Two of three batches are durable.
const fn is_durable(number: u32) -> bool {
    !number.is_multiple_of(3)
}

/// Not a test of its own, but the process that is killed. It continues where the previous one was
/// stopped.
#[test]
fn child() {
    let Some(dir) = std::env::var_os(DIRECTORY) else { return };
    let (mut store, stored) = DiskStore::open(Path::new(&dir)).unwrap();
    let first = stored.groups.first().map_or(0, |group| u32::try_from(group.records().len()).unwrap());
    for number in first.. {
        store.submit(Time::ZERO, contact_batch(number, is_durable(number)));
        if number >= first + AHEAD {
            wait(&mut store).unwrap();
            println!("\ndone {} end", number - AHEAD);
        }
    }
}

#[test]
fn reported_batches_survive_a_kill() {
    let dir = Directory::new("killed");
    let mut reported_in_all = 0;
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["kill::child", "--exact", "--nocapture"])
            .env(DIRECTORY, &*dir)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let mut reported: Vec<u32> = Vec::new();
        for line in output.lines() {
            let Ok(line) = line else { break };
            let number = line.strip_prefix("done ").and_then(|line| line.strip_suffix(" end"));
            reported.extend(number.map(|number| number.parse::<u32>().unwrap()));
            if reported.len() == 1 && number.is_some() {
                std::thread::sleep(Duration::from_micros(scattered(round) % 60_000));
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(!reported.is_empty(), "round {round}");
        reported_in_all += reported.len();

        let (_, stored) = dir.open();
        let group = &stored.groups[0];
        let there = u32::try_from(group.records().len()).unwrap();
        // All batches up to one of them, and none after it.
        for number in 0..there {
            let expected = contact_batch(number, true).records.remove(0).1;
            assert_eq!(group.record(node(number)), Some(&expected), "round {round}");
        }
        let last = reported.iter().copied().filter(|number| is_durable(*number)).max().unwrap_or(0);
        assert!(there > last, "round {round}: {last} was reported, and {there} are there");
    }
    println!("{reported_in_all} batches were reported before 10 kills");
}
