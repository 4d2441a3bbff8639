//! The horizon rules, explored exhaustively in a small world of real replicas. A holder of the key
//! may claim any version of a living member's record, up to the greatest possible one, while nodes
//! forget, purge, restart or are disconnected. After these faults stop, every node must hold the
//! record that the member writes.

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

/// Number of nodes: the owner of the record, and two others that hold it.
const NODES: usize = 3;
const OWNER: usize = 0;

/// Remaining number of each event.
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
    budget: Budget,
    turn: u64,
}

/// A key that is equal for worlds that behave alike.
type Key = (Vec<(Option<VersionDigest>, Option<u64>, Vec<Option<Eviction>>, bool, Incarnation)>, Budget);

impl HorizonWorld {
    fn new(budget: Budget) -> HorizonWorld {
        let nodes = (0..NODES).map(|node| Replica::new(id(node), group())).collect();
        let mut world = HorizonWorld { nodes, budget, turn: 0 };
        world.write(0);
        world
    }

    /// The next context: no clock hint, and a minute after the previous one, because identity
    /// conflicts have their own tests.
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
        ((0..NODES).map(of).collect(), self.budget)
    }

    fn write(&mut self, key: u32) {
        let context = self.context();
        let range = KeyRange::new(key, key).unwrap();
        let serve = Change::Serve { range, port: Some(1), priority: 1 };
        // The owner would broadcast its eviction, which is lost here: other nodes learn of it when
        // they send their records.
        self.nodes[OWNER].change(&[serve], context).unwrap();
    }

    /// Lets one node send its record of the owner to another, with all consequences.
    fn send(&mut self, from: usize, to: usize) {
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

    /// The possible next events, each with its name.
    fn next(&self) -> Vec<(String, HorizonWorld)> {
        let mut all = Vec::new();
        let mut add = |name: String, act: &dyn Fn(&mut HorizonWorld)| {
            let mut world = self.clone();
            act(&mut world);
            all.push((name, world));
        };
        for from in 0..NODES {
            for to in (0..NODES).filter(|to| *to != from) {
                add(format!("{from} sends its record to {to}"), &|world| world.send(from, to));
            }
        }
        let Budget { claims: more, writes, forgets, purges, restarts, expiries } = self.budget;
        for node in 1..NODES {
            for claim in claims().into_iter().filter(|_| more > 0) {
                add(format!("{node} receives the claim {claim}"), &|world| {
                    world.budget.claims -= 1;
                    let record = Record::from_parts(id(OWNER), claim, None, 0, []).unwrap();
                    let state = GroupState::from_records(group(), [record]);
                    world.nodes[node].merge_others(&state).unwrap();
                });
            }
            if forgets > 0 && self.record(node).is_some_and(|record| !record.version().forgotten) {
                add(format!("{node} forgets"), &|world| {
                    world.budget.forgets -= 1;
                    world.nodes[node].forget(id(OWNER)).unwrap();
                });
            }
            if purges > 0 {
                add(format!("{node} purges"), &|world| {
                    world.budget.purges -= 1;
                    let evictions = world.nodes[node].evictions_of_forgotten(|_| false);
                    world.nodes[node].evict(&evictions, 0);
                });
            }
            if expiries > 0 {
                add(format!("evictions expire at {node}"), &|world| {
                    world.budget.expiries -= 1;
                    world.nodes[node].expire_evictions(u64::MAX);
                });
            }
        }
        if writes > 0 {
            add("the owner writes".into(), &|world| {
                world.budget.writes -= 1;
                world.write(1);
            });
        }
        if restarts > 0 {
            add("the owner restarts".into(), &|world| {
                world.budget.restarts -= 1;
                world.nodes[OWNER] = Replica::restore(id(OWNER), world.nodes[OWNER].state().clone());
            });
        }
        all
    }

    /// Lets all nodes exchange their records until nothing changes any more.
    fn heal(&mut self) -> Result<(), String> {
        for _ in 0..12 {
            let before = self.key();
            for from in 0..NODES {
                for to in (0..NODES).filter(|to| *to != from) {
                    self.send(from, to);
                }
            }
            if self.key() == before {
                let own = self.record(OWNER);
                let differs = (1..NODES).find(|node| self.record(*node) != own);
                return match differs {
                    None => Ok(()),
                    Some(node) => Err(format!("{node} has {:?}, the owner {own:?}", self.record(node))),
                };
            }
        }
        Err("the nodes still exchange after the maximum number of rounds".into())
    }

    /// Checks that all nodes hold the owner's record after the faults, and receive its further
    /// writes.
    fn check(&self) -> Result<(), String> {
        let mut world = self.clone();
        world.heal()?;
        world.write(2);
        world.heal()
    }
}

/// Versions that a faulty node may claim for the owner's record.
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

/// Explores all reachable states. Returns their number, or the steps that lead to an invalid state.
fn explore(budget: Budget) -> Result<usize, String> {
    let mut seen = BTreeSet::from([HorizonWorld::new(budget).key()]);
    let mut ways: Vec<(usize, String)> = vec![(0, String::new())];
    let mut open = VecDeque::from([(0, HorizonWorld::new(budget))]);
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

/// A node that dropped an evicted record does not accept it again from a node that kept it.
fn evicted_versions_stay_away() -> Result<(), String> {
    for claim in claims() {
        let record = Record::from_parts(id(OWNER), claim, None, 0, []).unwrap();
        let state = GroupState::from_records(group(), [record]);
        let mut replica = Replica::restore(id(1), state.clone());
        let evictions = replica.evictions_of_forgotten(|_| true);
        replica.evict(&evictions, 0);
        replica.merge_others(&state).unwrap();
        if replica.state().record(id(OWNER)).is_some() {
            return Err(format!("{claim} returned"));
        }
    }
    Ok(())
}

#[test]
fn no_version_silences_a_member() {
    for budget in [
        Budget { claims: 2, ..NONE },
        Budget { claims: 1, forgets: 1, purges: 1, ..NONE },
        Budget { claims: 1, writes: 1, restarts: 1, ..NONE },
        Budget { claims: 1, purges: 1, expiries: 1, ..NONE },
    ] {
        let states = explore(budget).unwrap_or_else(|why| panic!("{budget:?}: {why}"));
        eprintln!("{budget:?}: {states} states");
    }
}

#[test]
fn evicted_records_stay_away() {
    evicted_versions_stay_away().unwrap();
}
