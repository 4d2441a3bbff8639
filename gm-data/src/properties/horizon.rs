//! The ends of the ranges, explored exhaustively in a small world of real replicas: whatever
//! somebody who holds the key writes of a living member, be it the greatest version that there is,
//! and whoever forgets, purges, restarts or was apart meanwhile: once that is over, everybody holds
//! again what the member writes.

use std::collections::{BTreeSet, VecDeque};
use std::string::String;
use std::vec::Vec;

use gm_clock::{CEILING, Incarnation};

use super::world::{group, id};
use crate::eviction::HORIZON;
use crate::{
    Change, Eviction, GroupState, KeyRange, OwnRecordOutcome, Record, Replica, Version, VersionDigest,
    WriteContext,
};

/// The owner of the record, and two others who hold it.
const NODES: usize = 3;
const OWNER: usize = 0;

/// What may still happen, each so many times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Budget {
    claims: u8,
    writes: u8,
    forgets: u8,
    purges: u8,
    restarts: u8,
    expiries: u8,
}

#[derive(Clone)]
struct HorizonWorld {
    nodes: Vec<Replica>,
    left: Budget,
    turn: u64,
}

/// Equal for worlds that go on alike.
type Key = (Vec<(Option<VersionDigest>, Option<u64>, Vec<Option<Eviction>>, bool, Incarnation)>, Budget);

impl HorizonWorld {
    fn new(left: Budget) -> HorizonWorld {
        let nodes = (0..NODES).map(|node| Replica::new(id(node), group())).collect();
        let mut world = HorizonWorld { nodes, left, turn: 0 };
        world.write(0);
        world
    }

    /// No hint, and a minute after the moment before: conflicts are another law's.
    fn context(&mut self) -> WriteContext {
        self.turn += 1;
        WriteContext { unix_seconds: 0, entropy: 0, millis: self.turn * 61_000 }
    }

    fn record(&self, node: usize) -> Option<&Record> {
        self.nodes[node].state().record(id(OWNER))
    }

    fn key(&self) -> Key {
        let of = |node: usize| {
            let replica = &self.nodes[node];
            let remembered =
                claims().iter().map(|claim| replica.eviction_covering(id(OWNER), *claim)).collect();
            let record = self.record(node);
            (
                record.map(Record::version_digest),
                record.map(Record::floor),
                remembered,
                replica.began_incarnation,
                replica.highest_incarnation,
            )
        };
        ((0..NODES).map(of).collect(), self.left)
    }

    fn write(&mut self, key: u32) {
        let context = self.context();
        let range = KeyRange::new(key, key).unwrap();
        let serve = Change::Serve { range, port: Some(1), priority: 1 };
        // What it has evicted it broadcasts, and that is lost: others hear of it by showing what
        // they hold.
        self.nodes[OWNER].change(&[serve], context).unwrap();
    }

    /// One node shows another what it holds of the owner, and what follows of that.
    fn show(&mut self, from: usize, to: usize) {
        let Some(record) = self.record(from).cloned() else { return };
        let context = self.context();
        if to == OWNER {
            if let OwnRecordOutcome::AlreadyEvicted(eviction) =
                self.nodes[OWNER].observe_own_record(record.version_digest(), context)
            {
                self.nodes[from].evict(&[eviction], 0);
            }
            return;
        }
        let version = record.version();
        let merged = self.nodes[to].merge_others(&GroupState::from_records(group(), [record])).unwrap();
        if merged.refused.is_empty() {
            return;
        }
        let eviction = self.nodes[to].eviction_covering(id(OWNER), version).unwrap();
        if from == OWNER {
            if let OwnRecordOutcome::AlreadyEvicted(later) =
                self.nodes[OWNER].observe_eviction(&eviction, context)
            {
                self.nodes[to].evict(&[later], 0);
            }
        } else {
            self.nodes[from].evict(&[eviction], 0);
        }
    }

    /// What can happen next, each with its name.
    fn next(&self) -> Vec<(String, HorizonWorld)> {
        let mut all = Vec::new();
        let mut add = |name: String, act: &dyn Fn(&mut HorizonWorld)| {
            let mut world = self.clone();
            act(&mut world);
            all.push((name, world));
        };
        for from in 0..NODES {
            for to in (0..NODES).filter(|to| *to != from) {
                add(format!("{from} shows {to}"), &|world| world.show(from, to));
            }
        }
        let Budget { claims: more, writes, forgets, purges, restarts, expiries } = self.left;
        for node in 1..NODES {
            for claim in claims().into_iter().filter(|_| more > 0) {
                add(format!("{node} is told {claim}"), &|world| {
                    world.left.claims -= 1;
                    let record = Record::from_parts(id(OWNER), claim, None, 0, []).unwrap();
                    let state = GroupState::from_records(group(), [record]);
                    world.nodes[node].merge_others(&state).unwrap();
                });
            }
            if forgets > 0 && self.record(node).is_some_and(|record| !record.version().forgotten) {
                add(format!("{node} forgets"), &|world| {
                    world.left.forgets -= 1;
                    world.nodes[node].forget(id(OWNER)).unwrap();
                });
            }
            if purges > 0 {
                add(format!("{node} purges"), &|world| {
                    world.left.purges -= 1;
                    let evictions = world.nodes[node].evictions_of_forgotten(|_| false);
                    world.nodes[node].evict(&evictions, 0);
                });
            }
            if expiries > 0 {
                add(format!("an hour is over at {node}"), &|world| {
                    world.left.expiries -= 1;
                    world.nodes[node].expire_evictions(u64::MAX);
                });
            }
        }
        if writes > 0 {
            add("the owner writes".into(), &|world| {
                world.left.writes -= 1;
                world.write(1);
            });
        }
        if restarts > 0 {
            add("the owner restarts".into(), &|world| {
                world.left.restarts -= 1;
                world.nodes[OWNER] = Replica::restore(id(OWNER), world.nodes[OWNER].state().clone());
            });
        }
        all
    }

    /// Everybody shows everybody what it holds, until nothing changes any more.
    fn heal(&mut self) -> Result<(), String> {
        for _ in 0..12 {
            let before = self.key();
            for from in 0..NODES {
                for to in (0..NODES).filter(|to| *to != from) {
                    self.show(from, to);
                }
            }
            if self.key() == before {
                let own = self.record(OWNER);
                let differs = (1..NODES).find(|node| self.record(*node) != own);
                return match differs {
                    None => Ok(()),
                    Some(node) => Err(format!("{node} holds {:?}, the owner {own:?}", self.record(node))),
                };
            }
        }
        Err("it does not come to rest".into())
    }

    /// Once all is over the owner is heard, and goes on to be.
    fn check(&self) -> Result<(), String> {
        let mut world = self.clone();
        world.heal()?;
        world.write(2);
        world.heal()
    }
}

/// What somebody may claim that the owner wrote.
fn claims() -> Vec<Version> {
    let mut all = Vec::new();
    for incarnation in [2, (1 << 32) + 1, HORIZON - 1, HORIZON, CEILING] {
        for clock in [1, HORIZON, CEILING] {
            for forgotten in [false, true] {
                all.push(Version { incarnation: Incarnation::new(incarnation).unwrap(), forgotten, clock });
            }
        }
    }
    all
}

/// Explores all that can happen; the states that there are, or how one came to be that is no good.
fn explore(left: Budget) -> Result<usize, String> {
    let mut seen = BTreeSet::from([HorizonWorld::new(left).key()]);
    let mut ways: Vec<(usize, String)> = vec![(0, String::new())];
    let mut open = VecDeque::from([(0, HorizonWorld::new(left))]);
    while let Some((at, world)) = open.pop_front() {
        if let Err(why) = world.check() {
            let (mut steps, mut at) = (Vec::new(), at);
            while at > 0 {
                steps.push(ways[at].1.clone());
                at = ways[at].0;
            }
            steps.reverse();
            return Err(format!("{steps:#?}\nthen {why}"));
        }
        for (name, next) in world.next() {
            if seen.insert(next.key()) {
                ways.push((at, name));
                open.push_back((ways.len() - 1, next));
            }
        }
    }
    Ok(seen.len())
}

const NONE: Budget = Budget { claims: 0, writes: 0, forgets: 0, purges: 0, restarts: 0, expiries: 0 };

/// The smallest world of them, of one claim.
pub(super) fn a_claimed_member_comes_back() -> Result<(), String> {
    explore(Budget { claims: 1, ..NONE }).map(drop)
}

/// Who dropped a record does not take it again from who has not.
pub(super) fn evicted_versions_stay_away() -> Result<(), String> {
    for claim in claims() {
        let record = Record::from_parts(id(OWNER), claim, None, 0, []).unwrap();
        let state = GroupState::from_records(group(), [record]);
        let mut replica = Replica::restore(id(1), state.clone());
        let evictions = replica.evictions_of_forgotten(|_| true);
        replica.evict(&evictions, 0);
        replica.merge_others(&state).unwrap();
        if replica.state().record(id(OWNER)).is_some() {
            return Err(format!("{claim} came back"));
        }
    }
    Ok(())
}

#[test]
fn no_version_silences_a_member() {
    for left in [
        Budget { claims: 2, ..NONE },
        Budget { claims: 1, forgets: 1, purges: 1, ..NONE },
        Budget { claims: 1, writes: 1, restarts: 1, ..NONE },
        Budget { claims: 1, purges: 1, expiries: 1, ..NONE },
    ] {
        let states = explore(left).unwrap_or_else(|why| panic!("{left:?}: {why}"));
        eprintln!("{left:?}: {states} states");
    }
}

#[test]
fn evicted_records_stay_away() {
    evicted_versions_stay_away().unwrap();
}
