//! Measurements for the figures: `cargo test --release --test store -- --ignored --nocapture
//! bench`.

use std::time::Instant;

use gm_broadcast::Time;
use gm_node::store::Store;

use crate::fixture::{Directory, contact_batch, put, wait};

#[test]
#[ignore = "measures, and proves nothing"]
fn figures() {
    let dir = Directory::new("bench");
    println!("{} bytes when new", {
        drop(dir.open());
        std::fs::metadata(dir.file()).unwrap().len()
    });
    let (mut store, _) = dir.open();
    let started = Instant::now();
    (0..500).for_each(|number| put(&mut store, contact_batch(number, true)).unwrap());
    println!("{:.0} durable batches a second, one waits", 500.0 / started.elapsed().as_secs_f64());
    let started = Instant::now();
    for number in 0..20_000 {
        store.submit(Time::ZERO, contact_batch(number % 10_000, true));
        if number >= 64 {
            wait(&mut store).unwrap();
        }
    }
    (0..64).for_each(|_| wait(&mut store).unwrap());
    println!("{:.0} durable batches a second, 64 wait", 20_000.0 / started.elapsed().as_secs_f64());
    drop(store);
    println!("{} bytes for 10,000 records", std::fs::metadata(dir.file()).unwrap().len());
    let started = Instant::now();
    let (_, stored) = dir.open();
    println!("{:?} to open {} records", started.elapsed(), stored.groups[0].records().len());
}
