//! Runs a plan: makes the world, adds the checkers, and sends the planned broadcasts.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use gm_broadcast::{
    BroadcastCommand, BroadcastRequest, BroadcasterConfig, Directory, KnownNode, LatencyClass, Rng, Targets,
    Time,
};
use gm_clock::NetId;

use super::check;
use super::history::{BroadcastHistory, SharedHistory};
use super::node::{FrameSealing, SimBroadcaster, incompressible_body, make_broadcaster};
use super::scenario::{InitialPeers, Plan, PlannedSend, Recipients};
use crate::node::{NodeIndex, StartContext};
use crate::world::{Run, World};

/// Runs a plan, and keeps this number of last lines of the trace.
#[must_use]
pub fn run(plan: Plan, lines: usize) -> (Run, Vec<String>) {
    let plan = Rc::new(plan);
    let history = BroadcastHistory::shared(&plan);
    let mut world = world(&plan);
    world.keep_trace(lines);
    check::add_all(&mut world, &history);
    world.start_all();
    plan.schedule.install(&mut world);
    for (at, action) in &plan.extra_actions {
        world.apply_at(*at, action.clone());
    }
    for send in &plan.sends {
        world.command_at(send.at, send.node, command(send));
    }
    drive(&mut world, &history, plan.end, plan.seed);
    let run = world.finish();
    let lines = world.trace().lines().map(str::to_owned).collect();
    (run, lines)
}

/// Processes all events until `end`; each owner stores broadcasts after a random delay.
fn drive(world: &mut World<SimBroadcaster>, history: &SharedHistory, end: Time, seed: u64) {
    let mut rng = Rng::new(crate::world::derive_seed(seed, u64::MAX - 2, 0));
    while world.run_while(end, |_| history.borrow().to_store.is_empty()) {
        let stores = std::mem::take(&mut history.borrow_mut().to_store);
        for (node, id) in stores {
            let at = world.now() + rng.duration_up_to(Duration::from_millis(400));
            world.command_at(at, node, BroadcastCommand::Stored(id));
        }
    }
    world.run_until(end);
}

/// The command of a planned send.
#[must_use]
pub fn command(send: &PlannedSend) -> BroadcastCommand {
    let body = incompressible_body(send.number, send.length);
    let to = match &send.to {
        Recipients::One(to, by) => return BroadcastCommand::Send { to: *to, body, transport: *by },
        Recipients::All => Targets::All,
        Recipients::Nodes(nodes) => Targets::Nodes(nodes.clone()),
    };
    BroadcastCommand::Broadcast(BroadcastRequest {
        tag: send.number,
        to,
        acks: send.acks,
        ..BroadcastRequest::new(body)
    })
}

/// The world of a plan, before its first event.
fn world(plan: &Rc<Plan>) -> World<SimBroadcaster> {
    let directories: Vec<Arc<Directory>> = (0..SITES).map(|site| directory(plan, site)).collect();
    let of = Rc::clone(plan);
    let factory = move |context: &StartContext| {
        make_broadcaster(context, config(&of, &directories, context), FrameSealing::Sealed)
    };
    World::new(plan.seed, plan.network, &plan.locations, factory)
}

/// Maximum number of sites of a world.
const SITES: u32 = 4;

fn config(plan: &Plan, directories: &[Arc<Directory>], context: &StartContext) -> BroadcasterConfig {
    let id = |node: &NodeIndex| plan.locations[node.index()].id;
    let seeds = match &plan.initial_peers {
        InitialPeers::Everybody { .. } => Vec::new(),
        InitialPeers::Seeds(seeds) => seeds.iter().map(id).collect(),
    };
    let directory = directories.get(context.location.site as usize).cloned().unwrap_or_default();
    let multicast = !plan.mute.contains(&context.node);
    let (shape, bounds, times) = (plan.shape, plan.bounds, plan.times);
    BroadcasterConfig {
        multicast,
        // Half of the worlds have trees of connections only.
        datagram_hops: plan.seed % 2 == 1,
        seeds,
        directory,
        tree_shape: shape,
        limits: bounds,
        timings: times,
        ..BroadcasterConfig::new(context.location.id)
    }
}

/// Directory of all nodes, as seen from a site; empty if nodes know only seeds.
fn directory(plan: &Plan, site: u32) -> Arc<Directory> {
    let InitialPeers::Everybody { labels } = plan.initial_peers else { return Arc::default() };
    let multicasts = |island: u32| {
        let here = plan.nodes().zip(&plan.locations).filter(move |(_, location)| location.island == island);
        here.filter(|(node, _)| !plan.mute.contains(node)).map(|(_, location)| location.id)
    };
    let label = |island| -> Option<NetId> {
        multicasts(island).min().filter(|_| labels && multicasts(island).count() > 1)
    };
    let islands = plan.locations.iter().map(|location| location.island).max().unwrap_or(0);
    let label_of: Vec<Option<NetId>> = (0..=islands).map(label).collect();
    let known = plan.nodes().zip(&plan.locations).map(|(node, location)| KnownNode {
        node: location.id,
        island_id: label_of[location.island as usize].filter(|_| !plan.mute.contains(&node)),
        class: if location.site == site { LatencyClass::Lan } else { LatencyClass::Wan },
    });
    Arc::new(Directory::new(known.collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broadcast::scenario::plan;

    #[test]
    fn a_run_is_a_function_of_its_plan() {
        let once = |name, seed| run(plan(name, seed).unwrap(), 50);
        for (name, seed) in [("random", 3), ("random", 8), ("two-islands", 1), ("relay-death", 2)] {
            let (first, lines) = once(name, seed);
            assert_eq!(first.outcome, Ok(()), "{name} {seed}");
            assert!(first.events > 1_000 && lines.len() == 50);
            assert_eq!((first.clone(), lines), once(name, seed));
            assert_ne!(first.trace, once(name, seed + 1).0.trace);
        }
    }
}
