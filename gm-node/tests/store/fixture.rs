//! Directories and batches for the tests.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use gm_broadcast::Time;
use gm_clock::{Incarnation, NetId};
use gm_data::{GroupName, Item, KeyRange, Predecessor, Record, StampedItem, Version};
use gm_node::dump::Dump;
use gm_node::store::disk::DiskStore;
use gm_node::store::{Batch, Store, StoreError, StoredState};

/// A directory for one test, removed at the end. It does not exist at first.
pub(crate) struct Directory(PathBuf);

impl Directory {
    pub(crate) fn new(name: &str) -> Directory {
        let dir = std::env::temp_dir().join(format!("gm-store-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        Directory(dir)
    }

    pub(crate) fn file(&self) -> PathBuf {
        self.0.join("gm.redb")
    }

    pub(crate) fn open(&self) -> (DiskStore, StoredState) {
        DiskStore::open(&self.0).unwrap()
    }
}

impl std::ops::Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes a path accessible to its owner only, whatever the umask of the test run.
pub(crate) fn private(path: &Path) {
    #[cfg(unix)]
    {
        let mode = if path.is_dir() { 0o700 } else { 0o600 };
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
    }
}

/// A pseudo-random number for each number.
pub(crate) fn scattered(number: u64) -> u64 {
    let mut x = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The `number`th node, with an IPv4 or IPv6 address in turn.
pub(crate) fn node(number: u32) -> NetId {
    let (high, low) = (number >> 8 & 0xffff, number & 0xff);
    let text = match number % 2 {
        0 => format!("10.{}.{}.1:{}", high >> 8, high & 0xff, 1_000 + low),
        _ => format!("[2001:db8::{high:x}]:{}", 1_000 + low),
    };
    text.parse().unwrap()
}

pub(crate) fn group(number: u64) -> GroupName {
    // Names may contain spaces, and one may begin as another one ends.
    ["a", "a b", "ab", "Ö", "10.0.0.1:1 x"][usize::try_from(number % 5).unwrap()].parse().unwrap()
}

/// A record with `items` items, some of them removals, a floor, and perhaps a predecessor.
pub(crate) fn record(member: NetId, seed: u64, items: u32) -> Record {
    let incarnation = |number| Incarnation::new(number).unwrap();
    let clock = 100 + scattered(seed) % 1_000;
    let item = |at: u32| {
        let range: KeyRange = format!("{}-{}", at * 10, at * 10 + 9).parse().unwrap();
        let item = match at % 3 {
            0 => Item::serves(member, range, 5432, 7).unwrap(),
            1 => Item::interest(member, range),
            _ => Item::removal(member, range),
        };
        StampedItem { item, stamp: 50 + u64::from(at) % 50 }
    };
    let opened = seed.is_multiple_of(2).then(|| Predecessor { incarnation: incarnation(3), clock: 40 });
    let version = Version::new(incarnation(5), false, clock).unwrap();
    Record::from_parts(member, version, opened, seed % 60, (0..items).map(item)).unwrap()
}

/// The `number`th of many batches that overwrite and remove content of others.
pub(crate) fn batch(number: u64) -> Batch {
    let seed = scattered(number);
    let some = |salt: u64, max: u64| {
        let count = scattered(seed ^ salt) % max;
        (0..count).map(move |at| scattered(seed ^ salt << 8 ^ at) % 40)
    };
    let named = |at: u64| (group(at / 7), node(u32::try_from(at).unwrap()));
    let sorted = |mut list: Vec<(GroupName, NetId)>| {
        list.sort();
        list.dedup();
        list
    };
    let recorded = |(group, member)| (group, record(member, seed, u32::try_from(seed % 9).unwrap()));
    Batch {
        me: (number == 0).then(|| node(1)),
        records: sorted(some(1, 6).map(named).collect()).into_iter().map(recorded).collect(),
        removed: sorted(some(2, 3).map(named).collect()),
        contacts: seed.is_multiple_of(4).then(|| sorted(some(3, 5).map(named).collect())),
        peers: seed
            .is_multiple_of(5)
            .then(|| sorted(some(4, 5).map(named).collect()).into_iter().map(|it| it.1).collect()),
        durable: seed.is_multiple_of(3),
    }
}

/// A batch with one record, different for each number.
pub(crate) fn contact_batch(number: u32, durable: bool) -> Batch {
    let records = vec![(group(0), record(node(number), u64::from(number), 3))];
    Batch { records, durable, ..Batch::default() }
}

/// Waits for the result of the oldest batch.
pub(crate) fn wait(store: &mut DiskStore) -> Result<(), StoreError> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(result) = store.poll_finished(Time::ZERO) {
            return result;
        }
        assert!(Instant::now() < until, "no result within 20 s");
        std::thread::sleep(Duration::from_micros(50));
    }
}

/// Submits a batch and waits for its result.
pub(crate) fn put(store: &mut DiskStore, batch: Batch) -> Result<(), StoreError> {
    store.submit(Time::ZERO, batch);
    wait(store)
}

/// The stored state as text, for comparisons: equal states may differ in floors and removals, texts
/// may not.
pub(crate) fn text(stored: &StoredState) -> String {
    Dump::of(stored).to_json().unwrap()
}
