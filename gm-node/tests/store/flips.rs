//! Single bit flips on disk after a process was killed: everything reported as durable is there, or
//! its loss is detected.
//!
//! `cargo test -p gm-node --test store -- --ignored --nocapture flips` tries a thousand of them in
//! the database, and some in the file beside it.

use std::fs;
use std::ops::AddAssign;
use std::path::Path;

use gm_broadcast::Time;
use gm_node::store::Store;
use gm_node::store::StoredState;
use gm_node::store::disk::{DiskStore, OpenError};
use gm_node::store::memory::SimulatedDisk;

use crate::fixture::{Directory, batch, private, put, scattered, text};

/// Bytes at the head of the database, which select the last commit.
const HEAD: usize = 320;

const PAGE: usize = 4_096;

/// Counts of flips, by result.
#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    /// Opening was refused, with a reason.
    refused: usize,
    /// Everything reported as durable is there, and no loss is suspected.
    whole: usize,
    /// Everything is there, and a loss is suspected nonetheless.
    wary: usize,
    /// Content is missing, and a loss is suspected.
    noticed: usize,
    /// Content is missing, and no loss is suspected.
    unnoticed: usize,
}

impl AddAssign for Count {
    fn add_assign(&mut self, other: Count) {
        self.refused += other.refused;
        self.whole += other.whole;
        self.wary += other.wary;
        self.noticed += other.noticed;
        self.unnoticed += other.unnoticed;
    }
}

fn is_suspect(stored: &StoredState) -> bool {
    stored.suspected_loss.is_some()
}

/// The files of a killed process after some batches, the last one durable and reported; and the
/// reported content.
struct Killed {
    database: Vec<u8>,
    beside: Option<Vec<u8>>,
    reported: String,
    /// Positions of nonzero bytes: in the pages that the last commit wrote, and in all other pages.
    last: Vec<usize>,
    others: Vec<usize>,
}

fn killed(batches: u64, seed: u64) -> Killed {
    let dir = Directory::new(&format!("flips-{batches}-{seed}"));
    let twin = SimulatedDisk::new();
    let ((mut store, _), (mut in_memory, _)) = (dir.open(), twin.open());
    let read = |name: &str| fs::read(dir.join(name));
    let mut before = Vec::new();
    for number in 0..batches {
        before = read("gm.redb").unwrap();
        let batch = gm_node::store::Batch { durable: true, ..batch(scattered(seed) % 1_000 + number) };
        in_memory.submit(Time::ZERO, batch.clone());
        put(&mut store, batch).unwrap();
    }
    // The files as they are now: a killed process does not perform the last steps of dropping the
    // store.
    let database = read("gm.redb").unwrap();
    let is_last = |byte: usize| {
        let page = byte / PAGE * PAGE..(byte / PAGE + 1) * PAGE;
        before.get(page.clone()) != database.get(page)
    };
    let used = (PAGE..database.len()).filter(|byte| database[*byte] != 0);
    let (last, others) = used.partition(|byte| is_last(*byte));
    let killed =
        Killed { last, others, database, beside: read("gm.last").ok(), reported: text(&twin.open().1) };
    drop(store);
    killed
}

/// Opens a directory with these files, and classifies the result.
fn opened(dir: &Path, killed: &Killed, database: &[u8], beside: Option<&[u8]>) -> Count {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).unwrap();
    private(dir);
    let write = |name: &str, bytes: &[u8]| {
        fs::write(dir.join(name), bytes).unwrap();
        private(&dir.join(name));
    };
    write("gm.redb", database);
    if let Some(beside) = beside {
        write("gm.last", beside);
    }
    let mut count = Count::default();
    let which = match DiskStore::open(dir) {
        Err(OpenError::Damaged { .. } | OpenError::Newer { .. }) => &mut count.refused,
        Err(error) => panic!("{error}"),
        Ok((_, stored)) => match (text(&stored) == killed.reported, is_suspect(&stored)) {
            (true, false) => &mut count.whole,
            (true, true) => &mut count.wary,
            (false, true) => &mut count.noticed,
            (false, false) => &mut count.unnoticed,
        },
    };
    *which += 1;
    count
}

fn flipped(bytes: &[u8], bit: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[bit / 8] ^= 1 << (bit % 8);
    bytes
}

/// Flips one bit at a time: half of them in the head, a quarter in the pages of the last commit, a
/// quarter in other pages that are not empty; and a tenth as many in the file beside the database.
fn sweep(flips: usize) -> [Count; 4] {
    let dir = Directory::new(&format!("flipped-{flips}"));
    let states: Vec<Killed> =
        [(1, 1), (2, 2), (9, 3), (60, 4)].map(|(batches, seed)| killed(batches, seed)).into();
    let mut counts = [Count::default(), Count::default(), Count::default(), Count::default()];
    let number = |salt: u64, at: usize, max: usize| {
        usize::try_from(scattered(salt << 32 ^ at as u64) % max as u64).unwrap()
    };
    let beside = |killed: &Killed| killed.beside.clone();
    for state in &states {
        assert_eq!(
            opened(&dir, state, &state.database, beside(state).as_deref()),
            Count { whole: 1, ..Count::default() }
        );
    }
    for at in 0..flips {
        let state = &states[at / 4 % states.len()];
        let place = [0, 1, 0, 2][at % 4];
        let bit = match place {
            0 => number(1, at, HEAD * 8),
            1 => state.last[number(2, at, state.last.len())] * 8 + number(3, at, 8),
            _ => state.others[number(2, at, state.others.len())] * 8 + number(3, at, 8),
        };
        let count = opened(&dir, state, &flipped(&state.database, bit), beside(state).as_deref());
        if count.unnoticed > 0 {
            println!("unnoticed: bit {} of byte {}", bit % 8, bit / 8);
        }
        counts[place] += count;
    }
    for at in 0..flips / 10 {
        let state = &states[at % states.len()];
        let Some(beside) = beside(state) else { continue };
        let bit = number(4, at, beside.len() * 8);
        counts[3] += opened(&dir, state, &state.database, Some(&flipped(&beside, bit)));
    }
    for (place, count) in
        ["head of the database", "pages of the last commit", "other pages", "file beside it"]
            .iter()
            .zip(&counts)
    {
        println!("{place}: {count:?}");
    }
    counts
}

fn unnoticed(counts: &[Count]) -> usize {
    counts.iter().map(|count| count.unnoticed).sum()
}

#[test]
fn no_flip_of_some_goes_unnoticed() {
    assert_eq!(unnoticed(&sweep(60)), 0);
}

#[test]
#[ignore = "takes a minute, and prints the figures"]
fn no_flip_of_a_thousand_goes_unnoticed() {
    assert_eq!(unnoticed(&sweep(1_000)), 0);
}
