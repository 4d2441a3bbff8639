//! A real disk that is full for a while. Needs root to mount a file system, and is skipped without.
//! `faults.rs` of the module does the same with injected faults.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::process::Command;

use gm_broadcast::Time;
use gm_node::store::memory::SimulatedDisk;
use gm_node::store::{Batch, Store};

use crate::fixture::{Directory, group, node, put, record, text};

/// A file system in memory. Unmounted at the end.
struct Mounted(Directory);

impl Mounted {
    fn new(name: &str) -> Option<Mounted> {
        let dir = Directory::new(name);
        fs::create_dir_all(&*dir).ok()?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=6m,mode=700", "gm-store-test"]).arg(&*dir);
        mount.output().ok()?.status.success().then_some(Mounted(dir))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&*self.0).output();
    }
}

/// A batch of about 20 KiB with one record.
fn large(number: u32) -> Batch {
    let records = vec![(group(0), record(node(number), u64::from(number), 3_000))];
    Batch { records, durable: true, ..Batch::default() }
}

#[test]
fn a_full_disk_is_reported_and_recovers() {
    let Some(mounted) = Mounted::new("full") else {
        println!("skipped: a file system cannot be mounted here, which needs root");
        return;
    };
    let dir = &mounted.0;
    let twin = SimulatedDisk::new();
    let ((mut store, _), (mut in_memory, _)) = (dir.open(), twin.open());
    let (mut failed, mut number) = (0, 0);
    let mut both = |number| {
        let result = put(&mut store, large(number));
        if result.is_ok() {
            in_memory.submit(Time::ZERO, large(number));
        }
        result
    };
    for round in 0..3 {
        let filler = dir.join("filler");
        let mut file = OpenOptions::new().create(true).append(true).open(&filler).unwrap();
        while file.write_all(&[round; 4_096]).is_ok() {}
        drop(file);
        let mut failed_here = 0;
        while failed_here < 5 {
            assert!(number < 2_000, "the disk is never full");
            if let Err(error) = both(number) {
                let words = error.to_string();
                assert!(words.contains(&*dir.file().to_string_lossy()), "{words}");
                assert!(words.contains("No space left on device"), "{words}");
                failed_here += 1;
            }
            number += 1;
        }
        failed += failed_here;
        fs::remove_file(filler).unwrap();
        for _ in 0..3 {
            both(number).unwrap();
            number += 1;
        }
    }
    drop(store);
    let (there, expected) = (text(&dir.open().1), text(&twin.open().1));
    assert!(there == expected, "{} bytes of text, not {}", there.len(), expected.len());
    println!("{failed} of {number} batches failed");
}
