//! gm: N nodes in one process, each at an address of its own in 127.0.0.0/8, all at one port.
//!
//! Everything is at its default (frames sealed with `ring`, as in the daemon; no disk) but for
//! multicast: `--cfg mcast` or `--cfg ucast`. Each node has node 0 as its seed. Reception is timed
//! in the node's own watch of the group. `--mode entry`: the big state as one write per entry;
//! otherwise one write has all entries of a node. `GM_COUNTERS=1` prints to standard error what all
//! nodes together counted in each part of a run.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use gm_node::{Change, Changes, Group, GroupEvent, Item, Key, KeyRange, Keyring, Multicast, Node, Op};
use harness::{Cluster, Env, Tracker, run};

const GROUP: &str = "Customers";
const MULTICAST: &str = "239.77.77.78:29972";
/// Ranges of updates start here, those of the big state below.
const UPDATES: u32 = 0x8000_0000;
/// Distance between the ranges of two updates.
const STEP: u32 = 256;
const PORT: u16 = 5432;

struct Gm {
    groups: Arc<Mutex<Vec<Option<Group>>>>,
    members: Arc<Vec<AtomicUsize>>,
    /// The counters at the end of the last part.
    counters: Mutex<BTreeMap<String, u64>>,
}

fn address(i: usize) -> IpAddr {
    let i = i + 1;
    Ipv4Addr::new(127, 0, (i / 250) as u8, (i % 250 + 1) as u8).into()
}

async fn start(i: usize, port: u16, cfg: &str) -> Node {
    let multicast = match cfg {
        "mcast" => Multicast::Group(MULTICAST.parse().expect("an address")),
        "ucast" => Multicast::Off,
        other => panic!("unknown configuration {other}"),
    };
    let keyring = Keyring::new(Key::new([7; 32]));
    let mut builder = Node::builder("bench", keyring).ephemeral().address(address(i)).port(port);
    if i > 0 {
        builder = builder.seed(&SocketAddr::new(address(0), port).to_string());
    }
    builder.multicast(multicast).start().await.expect("the node starts")
}

/// Notes what the node's watch returns.
async fn watch(i: usize, group: Group, tracker: Arc<Tracker>, members: Arc<Vec<AtomicUsize>>) {
    let mut watch = group.watch().await.expect("a watch");
    while let Some(changes) = watch.next().await {
        let Changes::Events(events) = changes else {
            read_again(i, &group, &tracker, &members).await;
            continue;
        };
        let mut entries = 0;
        for event in events {
            match event {
                GroupEvent::Joined(_) => drop(members[i].fetch_add(1, SeqCst)),
                GroupEvent::Left(_) => drop(members[i].fetch_sub(1, SeqCst)),
                GroupEvent::RangeAdded(item) => entries += note(i, &item, &tracker),
                _ => {}
            }
        }
        if entries > 0 {
            tracker.add(i, entries);
        }
    }
}

/// Marks the update that the item belongs to. Returns 1 for an entry of the big state, otherwise 0.
fn note(i: usize, item: &Item, tracker: &Tracker) -> u64 {
    if item.op() != Op::Add {
        return 0;
    }
    match item.range().start().checked_sub(UPDATES) {
        Some(distance) => tracker.mark(i, u64::from(distance / STEP)),
        None => return 1,
    }
    0
}

/// Counts the whole state, after a difference that was too large for the watch.
async fn read_again(i: usize, group: &Group, tracker: &Tracker, members: &[AtomicUsize]) {
    let view = group.view().await.expect("the group is hosted");
    members[i].store(view.members().count(), SeqCst);
    tracker.set_total(i, view.items().iter().map(|stamped| note(i, &stamped.item, tracker)).sum());
}

impl Gm {
    fn group(&self, i: usize) -> Group {
        self.groups.lock().expect("no panic")[i].clone().expect("the node has started")
    }
}

impl Cluster for Gm {
    const NAME: &'static str = "gm";

    async fn prepare(env: &Env) -> Self {
        Gm {
            groups: Arc::new(Mutex::new((0..env.n).map(|_| None).collect())),
            members: Arc::new((0..env.n).map(|_| AtomicUsize::new(0)).collect()),
            counters: Mutex::default(),
        }
    }

    async fn join(&self, env: &Env) {
        for i in 0..env.n {
            let (delay, cfg, port, tracker) = (env.phase(), env.cfg.clone(), env.port, env.tracker.clone());
            let (members, groups) = (self.members.clone(), self.groups.clone());
            tokio::spawn(async move {
                if !delay.is_zero() && i != 0 {
                    tokio::time::sleep(delay).await;
                }
                let group = start(i, port, &cfg).await.group(GROUP).expect("a name");
                groups.lock().expect("no panic")[i] = Some(group.clone());
                tokio::spawn(watch(i, group.clone(), tracker, members));
                group.join().await.expect("the node joins");
            });
        }
    }

    async fn members(&self, i: usize) -> usize {
        self.members[i].load(SeqCst)
    }

    async fn publish(&self, i: usize, seq: u64) {
        let start = UPDATES + seq as u32 * STEP;
        self.group(i).serve(start..=start + 99).port(PORT).priority(1).await.expect("the node serves");
    }

    async fn big_state(&self, env: &Env) -> Option<u64> {
        for i in 0..env.n {
            let (group, entries, mode) = (self.group(i), env.entries, env.mode.clone());
            tokio::spawn(async move {
                let serve = |k: usize| {
                    let start = (i * 1_000_000 + k * 1_000) as u32;
                    let range = KeyRange::new(start, start + 500 + k as u32).expect("in order");
                    Change::Serve { range, port: Some(PORT), priority: 1 + k as u16 }
                };
                let all: Vec<Change> = (0..entries).map(serve).collect();
                let size = if mode == "entry" { 1 } else { all.len() };
                for some in all.chunks(size) {
                    group.change(some.to_vec()).await.expect("the node serves");
                }
            });
        }
        Some((env.n * env.entries) as u64)
    }

    async fn phase(&self, what: &str) {
        if std::env::var_os("GM_COUNTERS").is_none() {
            return;
        }
        let mut sum = BTreeMap::new();
        let all: Vec<Group> = self.groups.lock().expect("no panic").iter().flatten().cloned().collect();
        for group in all {
            let read = group.node().with_machine(|machine| {
                let of_broadcaster = machine.broadcaster().counters().iter();
                let named = |name: &str, reason: Option<&str>| format!("{name}/{}", reason.unwrap_or(""));
                let of_node = machine.counters().iter();
                of_broadcaster
                    .map(|(counter, reason, count)| (named(counter.name(), reason), count))
                    .chain(of_node.map(|(counter, reason, count)| (named(counter.name(), reason), count)))
                    .collect::<Vec<_>>()
            });
            for (name, count) in read.await.unwrap_or_default() {
                *sum.entry(name).or_insert(0u64) += count;
            }
        }
        let mut last = self.counters.lock().expect("no panic");
        eprintln!("-- until the end of {what}:");
        for (name, count) in &sum {
            let more = count - last.get(name).copied().unwrap_or_default();
            if more > 0 {
                eprintln!("   {name:<40} {more}");
            }
        }
        *last = sum;
    }
}

#[tokio::main]
async fn main() {
    run::<Gm>().await
}
