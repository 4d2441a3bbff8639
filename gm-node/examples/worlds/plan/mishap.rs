//! What goes wrong with whole nodes only: their disks, identities, keys, members and watchers. Draws deeds; knows not how they are done.

use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_node::{Wait, WriteKind};
use gm_sim::{FaultClass, NodeIndex};

use super::layout::{ms, some_wait};
use super::{Deed, DiskDeed, Fate, Intent, Plan};

/// Deeds of one kind, somewhere between the start and the end of the first phase.
pub(crate) fn draw(plan: &mut Plan, chance: &mut Rng, class: FaultClass, start: Time) {
    for _ in 0..=chance.below(2) {
        let span = plan.heal_at.since(start);
        let at = start + chance.duration_up_to(span * 3 / 4);
        let left = plan.heal_at.since(at);
        let lasts = left / 4 + chance.duration_up_to(left / 2);
        one(plan, chance, class, at, lasts);
    }
}

fn one(plan: &mut Plan, chance: &mut Rng, class: FaultClass, at: Time, lasts: Duration) {
    let node = plan.some_node(chance);
    let group = chance.index(plan.groups.len());
    let gap = Some(chance.duration_up_to(ms(4_000)));
    match class {
        FaultClass::KeptDisk => plan.deed(at, Deed::Die { node, fate: Fate::Kept, gap }),
        FaultClass::LostDisk => plan.deed(at, Deed::Die { node, fate: Fate::Lost, gap }),
        FaultClass::StaleDisk => {
            plan.deed(at, Deed::Disk(node, DiskDeed::Snapshot));
            writes(plan, chance, node, at, lasts, 4);
            plan.deed(at + lasts, Deed::Die { node, fate: Fate::Stale, gap });
        }
        FaultClass::TornWrite => {
            // Most often a batch is lost as a whole, not torn.
            for turn in 0..4 {
                let node = plan.some_node(chance);
                plan.deed(at + lasts * turn / 4, Deed::Tear { node, group, gap: ms(500) });
            }
        }
        FaultClass::LostSync => {
            plan.deed(at, Deed::Disk(node, DiskDeed::Lies(true)));
            writes(plan, chance, node, at, lasts, 4);
            plan.deed(at + lasts, Deed::Die { node, fate: Fate::Kept, gap });
            plan.deed(at + lasts, Deed::Disk(node, DiskDeed::Lies(false)));
        }
        FaultClass::FullDisk => {
            plan.deed(at, Deed::Disk(node, DiskDeed::Full(true)));
            writes(plan, chance, node, at, lasts, 4);
            plan.deed(at + lasts, Deed::Disk(node, DiskDeed::Full(false)));
        }
        FaultClass::SlowDisk => {
            let latency = ms(100 + chance.below(3_000));
            plan.deed(at, Deed::Disk(node, DiskDeed::Slow(latency)));
            writes(plan, chance, node, at, lasts, 4);
            let back = plan.latency;
            plan.deed(at + lasts, Deed::Disk(node, DiskDeed::Slow(back)));
        }
        _ => others(plan, chance, (class, node, group), at, lasts),
    }
}

/// What happens to others than disks.
fn others(
    plan: &mut Plan,
    chance: &mut Rng,
    (class, node, group): (FaultClass, NodeIndex, usize),
    at: Time,
    lasts: Duration,
) {
    match class {
        FaultClass::IdentityClash => {
            let (island, site) = seat(plan, chance);
            let place = plan.spare(island, site);
            plan.deed(at, Deed::Clash { place, victim: node, group, lasts });
        }
        FaultClass::AddressChange => {
            let (island, site) = seat(plan, chance);
            let place = plan.spare(island, site);
            plan.deed(at, Deed::Move { node, place, group });
        }
        FaultClass::KeyRotation => {
            for step in 0..3 {
                plan.deed(at + lasts * u32::from(step) / 2, Deed::Keys(step));
            }
        }
        FaultClass::MassJoin => {
            plan.deed(at, Deed::Mass(class));
            for node in plan.nodes() {
                let join = Intent::Exactly(WriteKind::Join(vec![]));
                plan.write(at + chance.duration_up_to(ms(50)), node, group, join);
            }
        }
        FaultClass::MassLeave => {
            plan.deed(at, Deed::Mass(class));
            for node in plan.nodes() {
                if chance.ratio(4, 5) {
                    plan.write(
                        at + chance.duration_up_to(ms(50)),
                        node,
                        group,
                        Intent::Exactly(WriteKind::Leave),
                    );
                }
            }
        }
        FaultClass::ForgetLiving => {
            let member = plan.some_node(chance);
            plan.deed(at, Deed::Forget { node, group, member, wait: some_wait(chance) });
        }
        FaultClass::ForgetDead => {
            let member = plan.some_node(chance);
            let gap = chance.ratio(1, 2).then_some(lasts + ms(5_000));
            plan.deed(at, Deed::Die { node: member, fate: Fate::Clean, gap });
            plan.deed(at + ms(1_500), Deed::Forget { node, group, member, wait: some_wait(chance) });
        }
        FaultClass::SlowWatcher => {
            plan.deed(at, Deed::Watch { node, group, pace: ms(5_000 + chance.below(15_000)) });
            let other = plan.some_node(chance);
            writes(plan, chance, other, at, lasts, 6);
        }
        _ => {}
    }
}

/// A seat of some island.
fn seat(plan: &Plan, chance: &mut Rng) -> (u32, u32) {
    let place = plan.places[plan.some_node(chance).0 as usize];
    (place.island, place.site)
}

fn writes(plan: &mut Plan, chance: &mut Rng, node: NodeIndex, at: Time, lasts: Duration, count: u64) {
    for _ in 0..count {
        let at = at + chance.duration_up_to(lasts);
        let group = chance.index(plan.groups.len());
        plan.deed(at, Deed::Write { node, group, intent: Intent::Batch, wait: Wait::NONE });
    }
}
