//! Fault injection with a real database: whatever operation on the file fails, the reported result
//! is true, and the next batch is written.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use gm_clock::NetId;
use gm_data::GroupName;
use redb::backends::FileBackend;
use redb::{Builder, StorageBackend, StorageError};

use super::*;

/// Number of operations until one fails; negative if none does.
#[derive(Clone, Debug, Default)]
struct Faults {
    left: Arc<AtomicI64>,
    /// Whether all operations after it fail too.
    lasting: bool,
    /// Whether a failing operation takes effect nonetheless.
    done: bool,
}

impl Faults {
    fn arm(&self, left: i64) {
        self.left.store(left, Ordering::SeqCst);
    }

    fn is_hit(&self) -> bool {
        let left = self.left.load(Ordering::SeqCst);
        if left > 0 || (left == 0 && !self.lasting) {
            self.left.store(left - 1, Ordering::SeqCst);
        }
        left == 0
    }
}

#[derive(Debug)]
struct FaultyFile {
    file: FileBackend,
    faults: Faults,
}

impl FaultyFile {
    fn go(&self, work: impl FnOnce(&FileBackend) -> io::Result<()>) -> io::Result<()> {
        let is_hit = self.faults.is_hit();
        if !is_hit || self.faults.done {
            work(&self.file)?;
        }
        if is_hit { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, len: usize) -> io::Result<Vec<u8>> {
        self.file.read(offset, len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.go(|file| file.set_len(len))
    }

    fn sync_data(&self, eventual: bool) -> io::Result<()> {
        self.go(|file| file.sync_data(eventual))
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.go(|file| file.write(offset, data))
    }
}

fn opened(dir: &Path, faults: &Faults) -> DiskStore {
    let faults = faults.clone();
    let opener = move |file: &Path| {
        let file = database::private_file().open(file).map_err(StorageError::Io)?;
        let file = FaultyFile { file: FileBackend::new(file)?, faults: faults.clone() };
        Builder::new().create_with_backend(file)
    };
    DiskStore::open_by(dir, Box::new(opener)).unwrap().0
}

/// A batch of contacts, which are one row, or of peers, which are another.
fn batch(contact: Option<u16>, peer: Option<u16>) -> Batch {
    let node = |port: u16| -> NetId { format!("10.0.0.1:{port}").parse().unwrap() };
    let group: GroupName = "a".parse().unwrap();
    Batch {
        contacts: contact.map(|port| vec![(group, node(port))]),
        peers: peer.map(|port| vec![node(port)]),
        durable: true,
        ..Batch::default()
    }
}

fn wait(store: &mut DiskStore) -> Result<(), StoreError> {
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        if let Some(result) = store.poll_finished(Time::ZERO) {
            return result;
        }
        assert!(Instant::now() < until, "no result within 20 s");
        std::thread::sleep(Duration::from_micros(200));
    }
}

fn temporary(name: &str) -> PathBuf {
    let dir = std::env::temp_dir().join(format!("gm-faults-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    dir
}

/// Lets each operation of a commit fail once; returns the number of failed commits.
fn sweep(name: &str, lasting: bool, done: bool) -> usize {
    let (dir, mut failed) = (temporary(name), 0);
    for at in 0..24 {
        let faults = Faults { lasting, done, ..Faults::default() };
        faults.arm(-1);
        let _ = std::fs::remove_dir_all(&dir);
        let mut store = opened(&dir, &faults);
        store.submit(Time::ZERO, batch(Some(1), Some(1)));
        wait(&mut store).unwrap();

        // A deferred batch was reported as finished: the failure of another must not lose it.
        store.submit(Time::ZERO, Batch { durable: false, ..batch(None, Some(2)) });
        wait(&mut store).unwrap();
        faults.arm(at);
        store.submit(Time::ZERO, batch(Some(3), None));
        let result = wait(&mut store);
        if let Err(StoreError { why }) = &result {
            failed += 1;
            assert!(why.contains("gm.redb: no storage space"), "{why}");
        }
        if result.is_err() && lasting {
            store.submit(Time::ZERO, Batch { durable: false, ..batch(Some(4), Some(4)) });
            wait(&mut store).unwrap_err();
        }
        faults.arm(-1);
        store.submit(Time::ZERO, Batch { me: Some("10.0.0.1:9".parse().unwrap()), ..batch(None, None) });
        wait(&mut store).unwrap();
        drop(store);

        let (_, stored) = DiskStore::open(&dir).unwrap();
        let contact = if result.is_ok() { 3 } else { 1 };
        let Batch { contacts, peers, .. } = batch(Some(contact), Some(2));
        assert_eq!(Some(stored.contacts), contacts, "{result:?} at operation {at}");
        assert_eq!(Some(stored.peers), peers, "at operation {at}");
        assert!(stored.me.is_some());
    }
    let _ = std::fs::remove_dir_all(&dir);
    failed
}

#[test]
fn a_disk_is_full_for_a_while() {
    assert!(sweep("full", true, false) >= 2);
}

#[test]
fn an_operation_fails_once() {
    assert!(sweep("once", false, false) >= 2);
}

#[test]
fn an_operation_fails_and_takes_effect() {
    assert!(sweep("done", true, true) >= 2);
    assert!(sweep("done-once", false, true) >= 2);
}
