//! Every limit and time that must not be 0 is rejected by name.

use super::*;
use crate::islands::tests::node;

type Set<T> = fn(&mut T);

const LIMITS: [(&str, Set<BroadcasterLimits>); 18] = [
    ("open_subtrees", |bounds| bounds.open_subtrees = 0),
    ("peers", |bounds| bounds.peers = 0),
    ("seeds", |bounds| bounds.seeds = 0),
    ("connections", |bounds| bounds.connections = 0),
    ("unauthenticated", |bounds| bounds.unauthenticated = 0),
    ("partial_frame_bytes", |bounds| bounds.partial_frame_bytes = 0),
    ("fan_out", |bounds| bounds.fan_out = 0),
    ("outbox", |bounds| bounds.outbox = 0),
    ("in_flight", |bounds| bounds.in_flight = 0),
    ("frames_per_second", |bounds| bounds.frames_per_second = 0),
    ("unopened_datagrams_per_second", |bounds| bounds.unopened_datagrams_per_second = 0),
    ("answers_per_second", |bounds| bounds.answers_per_second = 0),
    ("cached_broadcasts", |bounds| bounds.cached_broadcasts = 0),
    ("cached_bytes", |bounds| bounds.cached_bytes = 0),
    ("origins", |bounds| bounds.origins = 0),
    ("ack_aggregations", |bounds| bounds.ack_aggregations = 0),
    ("missing_per_node", |bounds| bounds.missing_per_node = 0),
    ("dials_per_subtree", |bounds| bounds.dials_per_subtree = 0),
];

const TIMINGS: [(&str, Set<BroadcasterTimings>); 11] = [
    ("idle", |times| times.idle = Duration::ZERO),
    ("opening", |times| times.opening = Duration::ZERO),
    ("frame", |times| times.frame = Duration::ZERO),
    ("confirmation", |times| times.confirmation = Duration::ZERO),
    ("reception_report", |times| times.reception_report = Duration::ZERO),
    ("multicast_keepalive", |times| times.multicast_keepalive = Duration::ZERO),
    ("nack_retry", |times| times.nack_retry = Duration::ZERO),
    ("ack_interval", |times| times.ack_interval = Duration::ZERO),
    ("backoff", |times| times.backoff = Duration::ZERO),
    ("backoff_max", |times| times.backoff_max = Duration::ZERO),
    ("exchange", |times| times.exchange = Duration::ZERO),
];

#[test]
fn the_defaults_are_accepted() {
    let config = BroadcasterConfig::new(node(1)).checked().unwrap();
    assert_eq!((config.limits, config.timings), (BroadcasterLimits::DEFAULT, BroadcasterTimings::DEFAULT));
}

#[test]
fn a_limit_of_zero_is_refused() {
    for (name, set) in LIMITS {
        let mut config = BroadcasterConfig::new(node(1));
        set(&mut config.limits);
        assert_eq!(config.checked().err(), Some(BroadcasterConfigError { name }));
    }
}

#[test]
fn a_duration_of_zero_is_refused() {
    for (name, set) in TIMINGS {
        let mut config = BroadcasterConfig::new(node(1));
        set(&mut config.timings);
        assert_eq!(config.checked().err(), Some(BroadcasterConfigError { name }));
    }
    assert_eq!(
        BroadcasterConfigError { name: "idle" }.to_string(),
        "the field `idle` of the configuration must be at least 1"
    );
}

/// Delays before requests may be zero: then requests are sent at once.
#[test]
fn some_durations_may_be_zero() {
    let mut config = BroadcasterConfig::new(node(1));
    config.timings.nack_jitter = Duration::ZERO;
    config.timings.content_wait = Duration::ZERO;
    config.timings.hedge = Duration::ZERO;
    assert!(config.checked().is_ok());
}

#[test]
fn limits_of_one_are_accepted() {
    let mut config = BroadcasterConfig::new(node(1));
    config.limits = BroadcasterLimits {
        open_subtrees: 1,
        peers: 1,
        seeds: 1,
        connections: 1,
        unauthenticated: 1,
        partial_frame_bytes: 1,
        fan_out: 1,
        outbox: 1,
        in_flight: 1,
        frames_per_second: 1,
        unopened_datagrams_per_second: 1,
        answers_per_second: 1,
        cached_broadcasts: 1,
        cached_bytes: 1,
        origins: 1,
        ack_aggregations: 1,
        missing_per_node: 1,
        dials_per_subtree: 1,
    };
    assert!(config.checked().is_ok());
}
