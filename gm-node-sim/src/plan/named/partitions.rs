//! Scenarios of nodes without contact for a while, and of the time until they converge.

use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_clock::Incarnation;
use gm_data::{Item, KeyRange, Op, Record, StampedItem, Version};
use gm_node::{NodeTiming, Wait, WriteKind};
use gm_sim::layout::{below, id, islands, ms, seconds};
use gm_sim::{Action, Effect, Fault, FaultClass, NodeIndex, Nodes, Rates, Scope};

use crate::plan::layout::{TIMES, groups, idle_plan};
use crate::plan::{DiskOutcome, Intent, Operation, Plan};

/// Timings with anti-entropy so rare that it does not help.
pub(crate) fn rare_anti_entropy() -> NodeTiming {
    let rare = Duration::from_secs(300);
    NodeTiming {
        exchange_interval_active: rare,
        exchange_interval_max: rare,
        registration_interval: Duration::from_secs(3_600),
        ..TIMES
    }
}

/// Partitions these nodes from the others.
pub(crate) fn partition(plan: &mut Plan, apart: &[NodeIndex], from: Time, until: Time) {
    let here: Vec<NodeIndex> = apart.to_vec();
    let there = (0..64).map(NodeIndex).filter(|node| !here.contains(node)).collect();
    let scope =
        Scope { from: Nodes::Set(here.into_iter().collect()), to: Nodes::Set(there), bidirectional: true };
    let fault = Fault { class: FaultClass::Partition, scope, effect: Effect::Block };
    plan.add_operation(from, Operation::World(Action::BeginFault(fault, until)));
}

/// Two halves of forty nodes write while partitioned; then only anti-entropy helps.
pub(crate) fn partition_heal(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[20, 20], 1));
    plan.all_serve(seconds(1), ms(20), 0);
    let half: Vec<NodeIndex> = plan.nodes().filter(|_| rng.ratio(1, 2)).collect();
    partition(&mut plan, &half, seconds(5), seconds(25));
    for node in plan.nodes() {
        plan.add_write(seconds(6) + rng.duration_up_to(ms(3_000)), node, 0, Intent::Batch);
    }
    plan.heal_at = seconds(25);
    plan
}

/// Two nodes hold hundreds of records of dead members, and each has an older version of one: only
/// anti-entropy finds it.
pub(crate) fn buckets(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1, 1], 2));
    plan.all_join(seconds(1), ms(100), 0);
    for member in 0..500 {
        let newer = rng.ratio(1, 10);
        for node in plan.nodes() {
            let clock = if newer && node.0 == 0 { 6 } else { 5 };
            plan.preloaded.extend(dead(1_000 + member, clock).map(|record| (node, record)));
        }
    }
    plan.heal_at = seconds(2);
    plan.convergence_bound = ms(10_000);
    plan
}

/// Record of a dead member that serves one range, at this clock.
pub(crate) fn dead(node: u32, clock: u64) -> Option<Record> {
    let range = KeyRange::new(node, node + u32::try_from(clock).ok()?).ok()?;
    record(Item::new(id(node), range, Op::Add, 7, 1).ok()?, clock)
}

/// Record of a member that is interested in everything.
fn interested(node: u32) -> Option<Record> {
    record(Item::new(id(node), KeyRange::WHOLE, Op::Get, 0, 1).ok()?, 1)
}

/// Record of a member with one item, at this clock.
fn record(item: Item, clock: u64) -> Option<Record> {
    let version = Version::new(Incarnation::new(1 << 40).ok()?, false, clock).ok()?;
    Record::from_parts(item.member(), version, None, 0, [StampedItem { item, stamp: clock }]).ok()
}

/// Every node is alone at the beginning, and knows only its seeds.
pub(crate) fn seeds_only(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1, 1, 1], 1));
    for node in plan.nodes() {
        partition(&mut plan, &[node], Time::ZERO, seconds(30));
    }
    plan.all_serve(seconds(2) + rng.duration_up_to(ms(1_000)), ms(50), 0);
    plan.heal_at = seconds(30);
    plan
}

/// After a long idle phase, a few nodes lack the state of the others.
pub(crate) fn sync_interval(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1; 24], 8));
    plan.times = NodeTiming { exchange_interval_max: Duration::from_secs(20), ..TIMES };
    plan.all_serve(seconds(1), ms(50), 0);
    let half: Vec<NodeIndex> = plan.nodes().filter(|_| rng.ratio(1, 2)).collect();
    partition(&mut plan, &half, seconds(120), seconds(200));
    for node in plan.nodes() {
        plan.add_write(seconds(121) + rng.duration_up_to(ms(1_000)), node, 0, Intent::Serve);
    }
    plan.heal_at = seconds(200);
    plan.convergence_bound = ms(30_000);
    plan
}

/// Every datagram is lost, as behind a firewall that passes only TCP; groups converge by
/// connections.
pub(crate) fn udp_blocked(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1; 10], 10));
    plan.network.mtu = 0;
    plan.all_serve(seconds(1), ms(100), 0);
    for _ in 0..20 {
        let node = plan.random_node(rng);
        plan.add_write(seconds(10) + rng.duration_up_to(ms(20_000)), node, 0, Intent::Batch);
    }
    plan.heal_at = seconds(30);
    plan.convergence_bound = ms(20_000);
    plan
}

/// A newcomer joins an idle group of thirty nodes without multicast, and knows two of them.
pub(crate) fn newcomer(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1; 30], 30));
    plan.all_join(seconds(1), ms(20), 0);
    let late = plan.random_node(rng).0.max(2);
    plan.operations
        .retain(|(_, operation)| !matches!(operation, Operation::Write { node, .. } if node.0 == late));
    // It starts without earlier state.
    let node = NodeIndex(late);
    plan.add_operation(
        seconds(50),
        Operation::Crash { node, disk_outcome: DiskOutcome::Lost, gap: Some(ms(10_000)) },
    );
    plan.add_write(seconds(60) + ms(1), node, 0, Intent::Serve);
    plan.heal_at = seconds(60);
    plan.convergence_bound = ms(700);
    plan
}

/// Six of sixty nodes are in a group. Three on each side of a partition joined while it lasted, so
/// none knows the members on the other side, and random partners rarely find them. All other nodes
/// know one of the six.
pub(crate) fn small_group(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1; 60], 60));
    plan.groups = groups(2);
    plan.all_join(seconds(1), ms(20), 1);
    let mut half: Vec<NodeIndex> = plan.nodes().collect();
    rng.shuffle(&mut half);
    let other = half.split_off(30);
    partition(&mut plan, &half, seconds(20), seconds(60));
    let few = half.iter().take(3).chain(other.iter().take(3));
    for node in few.clone() {
        plan.add_write(seconds(22) + rng.duration_up_to(ms(1_000)), *node, 0, Intent::Serve);
    }
    plan.claims.members = Some(vec![(0, few.copied().collect())]);
    plan.heal_at = seconds(60);
    plan.convergence_bound = ms(60_000);
    plan
}

/// A node was away while others wrote: the increments that they multicast next do not apply, and
/// its first requests are lost. Anti-entropy is rare.
pub(crate) fn missed_increments(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[5], 8));
    plan.times = NodeTiming {
        exchange_interval_min: Duration::from_secs(8),
        exchange_timeout: Duration::from_secs(20),
        ..rare_anti_entropy()
    };
    // All are members from the beginning, because they would not find each other in time.
    for node in plan.nodes() {
        plan.preloaded.extend(plan.nodes().filter_map(|member| Some((node, interested(member.0)?))));
    }
    let away = NodeIndex(2 + below(rng, 3));
    let back = seconds(124);
    plan.add_operation(
        seconds(120),
        Operation::Crash { node: away, disk_outcome: DiskOutcome::Clean, gap: Some(ms(4_000)) },
    );
    let loss = Effect::Udp(Rates { loss: 1_000_000, ..Rates::default() });
    let scope = Scope { from: Nodes::One(away), to: Nodes::All, bidirectional: false };
    let fault = Fault { class: FaultClass::Loss, scope, effect: loss };
    plan.add_operation(back, Operation::World(Action::BeginFault(fault, back + ms(1_500))));
    for writer in [0, 1] {
        plan.add_write(seconds(121), NodeIndex(writer), 0, Intent::Serve);
        // A wait repeats its query by itself, so only one write waits.
        let wait = if writer == 0 { Wait::all(ms(3_000)) } else { Wait::NONE };
        let node = NodeIndex(writer);
        plan.add_operation(back + ms(500), Operation::Write { node, group: 0, intent: Intent::Serve, wait });
    }
    plan.heal_at = back + ms(500);
    plan.convergence_bound = ms(6_000);
    plan
}

/// A node leaves while it is partitioned, and restarts: it announces the leave when it is connected
/// again.
pub(crate) fn leave_partitioned(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[3, 2], 1));
    plan.all_serve(seconds(1), ms(50), 0);
    let node = plan.random_node(rng);
    partition(&mut plan, &[node], seconds(5), seconds(15));
    plan.add_write(seconds(6), node, 0, Intent::Exact(WriteKind::Leave));
    plan.add_operation(
        seconds(8),
        Operation::Crash { node, disk_outcome: DiskOutcome::Clean, gap: Some(ms(1_000)) },
    );
    plan.heal_at = seconds(15);
    plan.convergence_bound = ms(20_000);
    plan
}

/// No operations for a while: the traffic must be small.
pub(crate) fn idle_world(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(if rng.ratio(1, 2) { &[16] } else { &[1; 8] }, 8));
    plan.times = NodeTiming::DEFAULT;
    plan.broadcast_times = gm_broadcast::BroadcasterTimings::DEFAULT;
    plan.all_serve(seconds(1), ms(50), 0);
    plan.heal_at = seconds(200);
    plan.claims.idle_limit = Some((Duration::from_secs(300), 100));
    plan
}
