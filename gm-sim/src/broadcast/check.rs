//! What must hold in a world of broadcasters, one thing a file. Knows nothing of how plans are drawn.

pub mod cost;
pub mod delivery;
pub mod held;
pub mod outsider;
pub mod receipts;
pub mod shares;

use std::time::Duration;

use super::book::Shared;
use super::node::Node;
use crate::checker::bytes::Bytes;
use crate::fault::FaultClass;
use crate::world::World;

/// Everybody looks on.
pub fn watch(world: &mut World<Node>, book: &Shared) {
    world.watch(std::rc::Rc::clone(book));
    world.watch(Bytes::new());
    world.watch(delivery::Delivery::new(book));
    world.watch(held::Held);
    world.watch(outsider::Outsider::new(book));
    world.watch(receipts::Receipts::new(book));
    world.watch(shares::Shares::new(book));
    if book.borrow().plan().claims.calm_from.is_some() {
        world.watch(cost::Cost::new(book));
    }
}

/// Kinds of faults that can make a node seem out of reach that is up.
pub(crate) const WAYS: [FaultClass; 10] = [
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
pub(crate) fn lenient(time: Duration) -> Duration {
    time * 5 / 4 + Duration::from_secs(1)
}

#[cfg(test)]
mod tests;
