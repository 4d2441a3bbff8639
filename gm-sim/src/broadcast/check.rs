//! What must hold in a world of broadcasters, one thing a file. Knows nothing of how plans are
//! drawn.

pub mod acks;
pub mod cost;
pub mod delivery;
pub mod forwarding;
pub mod limits;
pub mod outsider;

use std::time::Duration;

use super::history::SharedHistory;
use super::node::SimBroadcaster;
use crate::checker::byte_conservation::ByteConservation;
use crate::fault::FaultClass;
use crate::world::World;

/// Everybody looks on.
pub fn add_all(world: &mut World<SimBroadcaster>, history: &SharedHistory) {
    world.add_checker(std::rc::Rc::clone(history));
    world.add_checker(ByteConservation::new());
    world.add_checker(delivery::DeliveryChecker::new(history));
    world.add_checker(limits::BroadcasterLimitsChecker);
    world.add_checker(outsider::OutsiderChecker::new(history));
    world.add_checker(acks::AcksChecker::new(history));
    world.add_checker(forwarding::ForwardingChecker::new(history));
    if history.borrow().plan().claims.calm_from.is_some() {
        world.add_checker(cost::CostChecker::new(history));
    }
}

/// Kinds of faults that can make a node seem out of reach that is up.
pub(crate) const REACHABILITY_FAULTS: [FaultClass; 10] = [
    FaultClass::OneWay,
    FaultClass::Partition,
    FaultClass::FlipFlop,
    FaultClass::DialRefused,
    FaultClass::DialSilent,
    FaultClass::Reset,
    FaultClass::Stall,
    FaultClass::SlowReader,
    FaultClass::WrongKey,
    FaultClass::OutsiderFlood,
];

/// By how much a clock can be wrong that nobody set: a tenth, and what a word takes on its way.
pub(crate) fn with_clock_error(time: Duration) -> Duration {
    time * 5 / 4 + Duration::from_secs(1)
}

#[cfg(test)]
mod tests;
