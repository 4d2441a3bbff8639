//! Table of the planted bugs, each with a scenario, a seed and the checker that finds it.

use gm_broadcast::Bug;

use crate::suite::{PlantedBug, planted};

/// Table of all planted bugs. `cargo xtask sim --plant NAME` searches a new seed for a row that no
/// longer holds.
pub const PLANTED_BUGS: [PlantedBug<Bug>; 18] = [
    planted(Bug::TargetDropped, "wan", 0, "acks"),
    planted(Bug::EpochNotInIdentity, "restart-storm", 0, "acks"),
    planted(Bug::ConfirmationForever, "multicast-one-way", 3, "delivery"),
    planted(Bug::FailedRelayLosesTargets, "dead-relays", 0, "delivery"),
    planted(Bug::AckCountedTwice, "relay-death", 0, "acks"),
    planted(Bug::DatagramsForward, "one-island", 0, "forwarding"),
    planted(Bug::ReassignedToSilentRelay, "relay-death", 4, "acks"),
    planted(Bug::ForwardsTwice, "relay-pause", 17, "forwarding"),
    planted(Bug::RelayDoesNotMulticast, "two-islands", 0, "cost"),
    planted(Bug::NoNeighborProbed, "blocked-multicast", 0, "delivery"),
    planted(Bug::ContentRequestIgnored, "blocked-multicast", 0, "delivery"),
    planted(Bug::NoSequenceBeacon, "lost-multicast", 0, "delivery"),
    planted(Bug::NackNeverSent, "lost-multicast", 0, "delivery"),
    planted(Bug::BackoffForever, "dead-relays", 0, "delivery"),
    planted(Bug::OutboxLostWithConnection, "stalled-relay", 0, "delivery"),
    planted(Bug::ReplayDelivered, "hostile-outsider", 0, "delivery"),
    planted(Bug::OutboxUnbounded, "slow-reader", 0, "limits"),
    planted(Bug::LastTooEarly, "one-island", 0, "acks"),
];
