//! Memory per item of states with different histories, compared with the maps of the standard
//! library. Prints a table. The only argument is `--test`, which makes the table small.
//!
//! It counts the bytes requested from the allocator. The number of blocks is printed because the
//! allocator itself adds 8 to 16 bytes to each, as a rule.
#![allow(clippy::print_stdout)] // The table is what it is for.

mod common;

use std::alloc::System;
use std::collections::{BTreeMap, HashMap};

use common::{CONTEXT, Rng, group_state, member, name, port, priority, range, state};
use gm_clock::NetId;
use gm_data::{Change, GroupState, PurgePolicy, Record, Replica, StampedItem, View};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// (member, start, end) -> (stamp, op, port, priority).
type Key = (NetId, u32, u32);
type Value = (u64, u8, u16, u16);

/// Heap memory in use.
#[derive(Clone, Copy)]
struct Allocated {
    bytes: usize,
    blocks: usize,
}

impl Allocated {
    /// The memory requested since the region began and not yet released.
    fn since(region: &Region<'_, System>) -> Allocated {
        let change = region.change();
        let bytes = change.bytes_allocated - change.bytes_deallocated;
        Allocated { bytes, blocks: change.allocations - change.deallocations }
    }
}

/// Creates a value and measures its heap memory.
fn measure<T>(make: impl FnOnce() -> T) -> (T, Allocated) {
    let region = Region::new(ALLOCATOR);
    let made = make();
    (made, Allocated::since(&region))
}

fn per(amount: usize, items: usize) -> f64 {
    let number = |count: usize| f64::from(u32::try_from(count).expect("below 4 GiB"));
    number(amount) / number(items)
}

fn line(what: &str, live: usize, held: Allocated) {
    let (bytes, blocks) = (per(held.bytes, live), per(held.blocks, live));
    println!("{what:<62} {live:>9} {:>11} {bytes:>10.2} {blocks:>12.4}", held.bytes);
}

/// The memory of a state and its index that are built at once from the live items of the given
/// state.
fn fresh(of: &GroupState) -> Allocated {
    let record = |record: &Record| {
        let live = record.stamped_items().filter(|stamped| stamped.item.op().is_live());
        Record::from_parts(record.member(), record.version(), record.predecessor(), record.floor(), live)
    };
    let make = || {
        View::new(GroupState::from_records(name(), of.records().map(|old| record(old).expect("good parts"))))
    };
    let (again, held) = measure(make);
    assert_eq!(again.fingerprint(), of.fingerprint());
    held
}

fn write(replica: &mut Replica, change: Change) {
    assert!(replica.change(&[change], CONTEXT).is_ok_and(|write| write.changed));
}

fn serve(number: u32) -> Change {
    Change::Serve { range: range(number), port: Some(port(number)), priority: priority(number) }
}

/// Removes the first items of `order` one by one, then purges them. Prints a line for each.
fn remove_and_purge(what: &str, make: impl FnOnce() -> Replica, order: &[u32], removed: usize) {
    let live = order.len() - removed;
    let region = Region::new(ALLOCATOR);
    let mut replica = make();
    let share = per(100 * removed, order.len());
    order[..removed].iter().for_each(|&number| write(&mut replica, Change::Unserve(range(number))));
    assert_eq!(replica.state().live_item_count(), live);
    line(&format!("{what}, {share} % removed and kept"), live, Allocated::since(&region));
    assert_eq!(replica.purge(PurgePolicy::EVERYTHING), removed);
    let after = Allocated::since(&region);
    line(&format!("{what}, {share} % removed and purged"), live, after);
    let fresh = fresh(replica.state());
    let residue = after.bytes.saturating_sub(fresh.bytes);
    let lost = per(residue, removed);
    println!("    more than a fresh state of the same items: {residue} bytes, {lost:.2} per purged item");
}

fn states(size: u32) {
    for members in [1_000, 1, size] {
        let parts = state(size, members);
        let (made, held) = measure(|| group_state(&parts));
        assert_eq!(made.live_item_count(), size as usize);
        assert_eq!(made.records().len(), members as usize);
        line(&format!("{members} x {}, at once", size / members), size as usize, held);
        drop(made);
        let (view, held) = measure(|| View::new(group_state(&parts)));
        assert_eq!(
            view.coverage().count(),
            1 + size as usize,
            "one segment per item, and one above them all"
        );
        line(&format!("{members} x {}, at once, with its index", size / members), size as usize, held);
    }
}

fn writes(size: u32) {
    let order = Rng::new(1).order(size);
    let replica = || Replica::new(member(0), name());
    let write_all = |order: &[u32]| {
        let mut replica = replica();
        order.iter().for_each(|&number| write(&mut replica, serve(number)));
        assert_eq!(replica.state().live_item_count(), order.len());
        replica
    };
    let live = order.len();
    let at_once = || Replica::restore(member(0), group_state(&state(size, 1)));
    let in_order: Vec<u32> = (0..size).collect();
    line(
        &format!("1 x {size}, by writes in their order, with its index"),
        live,
        measure(|| write_all(&in_order)).1,
    );
    line(
        &format!("1 x {size}, by writes in random order, with its index"),
        live,
        measure(|| write_all(&order)).1,
    );

    let removals = Rng::new(2).order(size);
    for removed in [live / 2, live / 10] {
        remove_and_purge("at once", at_once, &removals, removed);
        remove_and_purge("by writes", || write_all(&order), &removals, removed);
    }
}

fn entry(stamped: &StampedItem) -> (Key, Value) {
    let (item, range) = (stamped.item, stamped.item.range());
    let value = (stamped.stamp, item.op() as u8, item.port(), item.priority());
    ((item.member(), range.start(), range.end()), value)
}

/// The maps. A removal leaves nothing there, so other nodes could not learn of it.
fn maps(size: u32) {
    let entries: Vec<(Key, Value)> =
        state(size, 1_000).iter().flat_map(|parts| &parts.items).map(entry).collect();
    let order = Rng::new(1).order(size);
    let random = || order.iter().map(|&at| entries[at as usize]);
    let live = entries.len();

    let at_once = || entries.iter().copied().collect::<BTreeMap<Key, Value>>();
    line("BTreeMap, at once", live, measure(at_once).1);
    let one_by_one = || {
        let mut map = BTreeMap::new();
        for (key, value) in random() {
            map.insert(key, value);
        }
        map
    };
    line("BTreeMap, by insertions in random order", live, measure(one_by_one).1);
    let half = || {
        let mut map = one_by_one();
        for (key, _) in random().take(live / 2) {
            map.remove(&key);
        }
        map
    };
    line("BTreeMap, by insertions, 50 % removed", live - live / 2, measure(half).1);

    let one_by_one = || {
        let mut map: HashMap<Key, Value> = HashMap::new();
        for (key, value) in random() {
            map.insert(key, value);
        }
        map
    };
    line("HashMap, by insertions in random order", live, measure(one_by_one).1);
    let half = || {
        let mut map = one_by_one();
        for (key, _) in random().take(live / 2) {
            map.remove(&key);
        }
        map
    };
    line("HashMap, by insertions, 50 % removed", live - live / 2, measure(half).1);
}

fn main() {
    let only_test = std::env::args().any(|arg| arg == "--test");
    let size = if only_test { 10_000 } else { 1_000_000 };
    println!("{:<62} {:>9} {:>11} {:>10} {:>12}", "state", "live", "bytes", "bytes/live", "blocks/live");
    states(size);
    writes(size);
    maps(size);
}
