//! Nodes that do not hear each other for a while, and how fast they agree again. Knows nothing of
//! disks.

use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_clock::Incarnation;
use gm_data::{Item, KeyRange, Op, Record, StampedItem, Version};
use gm_node::{NodeTiming, Wait, WriteKind};
use gm_sim::{Action, Effect, Fault, FaultClass, NodeIndex, Nodes, Rates, Scope};

use crate::plan::layout::{TIMES, groups, id, idle_plan, islands, ms, seconds};
use crate::plan::{DiskOutcome, Intent, Operation, Plan};

/// Anti-entropy is so rare that it does not help.
pub(crate) fn rare_anti_entropy() -> NodeTiming {
    let rare = Duration::from_secs(300);
    NodeTiming {
        exchange_interval_active: rare,
        exchange_interval_max: rare,
        registration_interval: Duration::from_secs(3_600),
        ..TIMES
    }
}

/// These are apart from the others.
pub(crate) fn partition(plan: &mut Plan, apart: &[NodeIndex], from: Time, until: Time) {
    let here: Vec<NodeIndex> = apart.to_vec();
    let there = (0..64).map(NodeIndex).filter(|node| !here.contains(node)).collect();
    let scope =
        Scope { from: Nodes::Set(here.into_iter().collect()), to: Nodes::Set(there), bidirectional: true };
    let fault = Fault { class: FaultClass::Partition, scope, effect: Effect::Block };
    plan.add_operation(from, Operation::World(Action::BeginFault(fault, until)));
}

/// Two halves of forty write apart from each other; then only anti-entropy is left.
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

/// Two nodes hold hundreds of records of members that are dead, one of them older ones here and
/// there: only anti-entropy finds where.
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

/// The record of a member that is dead: it serves one range, since that time.
pub(crate) fn dead(place: u32, clock: u64) -> Option<Record> {
    let range = KeyRange::new(place, place + u32::try_from(clock).ok()?).ok()?;
    record(Item::new(id(place), range, Op::Add, 7, 1).ok()?, clock)
}

/// The record of a member that is interested in everything.
fn interested(place: u32) -> Option<Record> {
    record(Item::new(id(place), KeyRange::WHOLE, Op::Get, 0, 1).ok()?, 1)
}

/// The record of who wrote one item, at that time.
fn record(item: Item, clock: u64) -> Option<Record> {
    let version = Version::new(Incarnation::new(1 << 40).ok()?, false, clock).ok()?;
    Record::from_parts(item.member(), version, None, 0, [StampedItem { item, stamp: clock }]).ok()
}

/// Each is alone from the beginning, and knows nobody but those it is to call.
pub(crate) fn seeds_only(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1, 1, 1], 1));
    for node in plan.nodes() {
        partition(&mut plan, &[node], Time::ZERO, seconds(30));
    }
    plan.all_serve(seconds(2) + rng.duration_up_to(ms(1_000)), ms(50), 0);
    plan.heal_at = seconds(30);
    plan
}

/// In deep quiet a few are found to lack what the others have.
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

/// No datagram ever gets through, as where a firewall lets TCP pass and nothing else; groups
/// converge by connections.
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

/// One node more starts and joins a quiet group of thirty that hear no multicast of each other, and
/// knows two of them.
pub(crate) fn newcomer(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[1; 30], 30));
    plan.all_join(seconds(1), ms(20), 0);
    let late = plan.random_node(rng).0.max(2);
    plan.operations
        .retain(|(_, operation)| !matches!(operation, Operation::Write { node, .. } if node.0 == late));
    // It remembers nothing of what it heard before.
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

/// Six of sixty are in a group, three on each side of a split, who joined while it lasted: none
/// knows of those on the other side, who are hard to meet by chance. All others know one of the
/// six.
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

/// A node was away while others wrote: what they multicast next does not fit, and its first
/// questions are lost. Anti-entropy is rare.
pub(crate) fn missed_increments(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(&[5], 8));
    plan.times = NodeTiming {
        exchange_interval_min: Duration::from_secs(8),
        exchange_timeout: Duration::from_secs(20),
        ..rare_anti_entropy()
    };
    // All are in the group from the beginning: they would not find each other in time.
    for node in plan.nodes() {
        plan.preloaded.extend(plan.nodes().filter_map(|member| Some((node, interested(member.0)?))));
    }
    let away = NodeIndex(2 + u32::try_from(rng.below(3)).unwrap_or(0));
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
        // A wait would ask again by itself: so only one of them waits.
        let wait = if writer == 0 { Wait::all(ms(3_000)) } else { Wait::NONE };
        let node = NodeIndex(writer);
        plan.add_operation(back + ms(500), Operation::Write { node, group: 0, intent: Intent::Serve, wait });
    }
    plan.heal_at = back + ms(500);
    plan.convergence_bound = ms(6_000);
    plan
}

/// A node leaves where nobody hears it, and is started again: it says so when it is heard again.
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

/// Nothing happens for a while: that costs little.
pub(crate) fn idle_world(seed: u64, rng: &mut Rng) -> Plan {
    let mut plan = idle_plan("", seed, islands(if rng.ratio(1, 2) { &[16] } else { &[1; 8] }, 8));
    plan.times = NodeTiming::DEFAULT;
    plan.broadcast_times = gm_broadcast::BroadcasterTimings::DEFAULT;
    plan.all_serve(seconds(1), ms(50), 0);
    plan.heal_at = seconds(200);
    plan.claims.idle_limit = Some((Duration::from_secs(300), 100));
    plan
}
