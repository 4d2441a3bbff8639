//! A customer database on three machines, with every customer on two of them: the first example of
//! the system's author.
//!
//! Run it with `cargo run -p gm-data --example customers`, and read it from the top. It has no
//! network: a call passes the state of one node to another.
#![allow(clippy::print_stdout, reason = "the example prints tables")]

use std::error::Error;

use gm_clock::NetId;
use gm_data::{Change, GroupEvent, GroupName, GroupState, KeyRange, Op, Replica, WriteContext};

/// The customers by the first letter of their names. Three ranges divide the whole key space.
const SHARDS: [(char, char); 3] = [('A', 'H'), ('I', 'Q'), ('R', 'Z')];

/// The machines.
const NODES: [(&str, &str); 3] =
    [("M1", "10.0.0.1:29999"), ("M2", "10.0.0.2:29999"), ("M3", "10.0.0.3:29999")];

/// The first key of a letter: the 26 letters share the 2^32 keys evenly. For `[`, which follows
/// `Z`, the result is 2^32, one past the last key.
fn first_key(letter: char) -> u64 {
    (u64::from(letter) - u64::from('A')) * (1 << 32) / 26
}

/// The keys of the customers from one letter to another, both included.
fn keys((from, to): (char, char)) -> Result<KeyRange, Box<dyn Error>> {
    let next = char::from(u8::try_from(to)? + 1);
    Ok(KeyRange::new(u32::try_from(first_key(from))?, u32::try_from(first_key(next) - 1)?)?)
}

fn serve(shard: (char, char), priority: u16) -> Result<Change, Box<dyn Error>> {
    Ok(Change::Serve { range: keys(shard)?, port: Some(5432), priority })
}

fn main() -> Result<(), Box<dyn Error>> {
    let group: GroupName = "Customers".parse()?;
    let [one, two, three] = NODES.map(|(_, address)| address.parse::<NetId>());
    let [mut m1, mut m2, mut m3] = [one?, two?, three?].map(|me| Replica::new(me, group.clone()));
    // The caller passes in time and random bits. Here they are constant, so that every run prints
    // the same.
    let now = WriteContext { unix_seconds: 1_450_000_000, entropy: 0, millis: 0 };

    title("Every node publishes its ranges in one atomic write");
    let [a_h, i_q, r_z] = SHARDS;
    m1.change(&[serve(a_h, 2)?, serve(r_z, 1)?], now)?;
    m2.change(&[serve(i_q, 2)?, serve(a_h, 1)?], now)?;
    m3.change(&[serve(r_z, 2)?, serve(i_q, 1)?], now)?;
    // Any node may pass its state to any other, in any order and repeatedly.
    m2.merge(m1.state(), now)?;
    m3.merge(m2.state(), now)?;
    for node in [&mut m1, &mut m2] {
        node.merge(m3.state(), now)?;
        node.merge(m3.state(), now)?;
    }
    print_items(m1.state())?;
    agreement(&[&m1, &m2, &m3]);

    title("M2 leaves, and M1 and M3 merge the change");
    let before = m1.state().clone();
    m2.leave(now)?;
    m1.merge(m2.state(), now)?;
    m3.merge(m2.state(), now)?;
    events(&m1.state().events_since(&before));
    print_items(m1.state())?;

    title("The network splits, and one node on each side takes over ranges");
    let (at_m1, at_m3) = (m1.state().clone(), m3.state().clone());
    m1.change(&[serve(i_q, 1)?], now)?;
    m3.change(&[serve(a_h, 1)?], now)?;
    println!("seen by M1:");
    events(&m1.state().events_since(&at_m1));
    println!("seen by M3:");
    events(&m3.state().events_since(&at_m3));
    agreement(&[&m1, &m3]);

    title("The network heals: the nodes exchange their states and agree");
    m1.merge(m3.state(), now)?;
    m3.merge(m1.state(), now)?;
    print_items(m1.state())?;
    agreement(&[&m1, &m3]);
    Ok(())
}

fn title(text: &str) {
    println!("\n== {text}");
}

fn name_of(node: NetId) -> &'static str {
    let address = node.to_string();
    NODES.into_iter().find(|(_, known)| *known == address).map_or("?", |(name, _)| name)
}

fn letters(range: KeyRange) -> Result<String, Box<dyn Error>> {
    for (from, to) in SHARDS {
        if keys((from, to))? == range {
            return Ok(format!("{from}-{to}"));
        }
    }
    Ok(range.to_string())
}

/// Prints the owners of each shard, most preferred first.
fn print_items(state: &GroupState) -> Result<(), Box<dyn Error>> {
    println!("{:<10} {:<22} {:<22} owners", "customers", "keys", "served by (priority)");
    for shard in SHARDS {
        let range = keys(shard)?;
        let mut owners: Vec<(u16, &str)> = state
            .items_of(Op::Add)
            .iter()
            .filter(|stamped| stamped.item.range() == range)
            .map(|stamped| (stamped.item.priority(), name_of(stamped.item.member())))
            .collect();
        owners.sort_by(|left, right| right.cmp(left));
        let list: Vec<String> =
            owners.iter().map(|(priority, name)| format!("{name} ({priority})")).collect();
        let warning = if owners.len() < 2 { "  <- only one" } else { "" };
        println!("{:<10} {range}  {:<22} {}{warning}", letters(range)?, list.join(", "), owners.len());
    }
    let members: Vec<&str> = state.members().map(name_of).collect();
    println!("members: {}", members.join(", "));
    Ok(())
}

fn events(events: &[GroupEvent]) {
    for event in events {
        let (what, item, member) = match event {
            GroupEvent::Joined(member) => ("joined", None, *member),
            GroupEvent::RangeAdded(item) => ("serves", Some(item), item.member()),
            GroupEvent::RangeChanged { to, .. } => ("changed", Some(to), to.member()),
            GroupEvent::RangeRemoved(item) => ("no longer serves", Some(item), item.member()),
            GroupEvent::Left(member) => ("left", None, *member),
        };
        let range = item.map_or(String::new(), |item| letters(item.range()).unwrap_or_default());
        println!("{}", format!("  {:<4} {what:<17} {range}", name_of(member)).trim_end());
    }
}

/// Prints the fingerprints. Equal states have equal ones, so one number shows whether two nodes
/// agree, whatever the size of the group.
fn agreement(nodes: &[&Replica]) {
    for node in nodes {
        println!("fingerprint at {:<4} {:032x}", name_of(node.me()), node.state().fingerprint());
    }
    let agree = nodes.windows(2).all(|pair| pair[0].state().fingerprint() == pair[1].state().fingerprint());
    println!("{}", if agree { "they agree" } else { "they differ" });
}
