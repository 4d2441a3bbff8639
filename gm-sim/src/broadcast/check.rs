//! Checkers of a cluster of broadcasters, one property per file.

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

/// Adds all checkers to a world.
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

/// Fault classes that can make a live node seem unreachable.
pub(crate) const REACHABILITY_FAULTS: [FaultClass; 11] = [
    FaultClass::MtuBlackHole,
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

/// Upper bound of a duration as measured by a drifting clock, plus the latency of a message.
pub(crate) fn with_clock_error(time: Duration) -> Duration {
    time * 5 / 4 + Duration::from_secs(1)
}

#[cfg(test)]
mod tests;
