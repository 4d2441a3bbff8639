//! Every bound and every time that must not be 0 is refused by its name.

use super::*;
use crate::islands::tests::node;

type Set<T> = fn(&mut T);

const BOUNDS: [(&str, Set<Bounds>); 18] = [
    ("shares", |bounds| bounds.shares = 0),
    ("peers", |bounds| bounds.peers = 0),
    ("seeds", |bounds| bounds.seeds = 0),
    ("links", |bounds| bounds.links = 0),
    ("strangers", |bounds| bounds.strangers = 0),
    ("arriving", |bounds| bounds.arriving = 0),
    ("fan_out", |bounds| bounds.fan_out = 0),
    ("outbox", |bounds| bounds.outbox = 0),
    ("in_flight", |bounds| bounds.in_flight = 0),
    ("frames_per_second", |bounds| bounds.frames_per_second = 0),
    ("strange_datagrams_per_second", |bounds| bounds.strange_datagrams_per_second = 0),
    ("answers_per_second", |bounds| bounds.answers_per_second = 0),
    ("recent", |bounds| bounds.recent = 0),
    ("recent_bytes", |bounds| bounds.recent_bytes = 0),
    ("origins", |bounds| bounds.origins = 0),
    ("tallies", |bounds| bounds.tallies = 0),
    ("missed", |bounds| bounds.missed = 0),
    ("attempts", |bounds| bounds.attempts = 0),
];

const TIMES: [(&str, Set<Times>); 11] = [
    ("idle", |times| times.idle = Duration::ZERO),
    ("opening", |times| times.opening = Duration::ZERO),
    ("frame", |times| times.frame = Duration::ZERO),
    ("confirmation", |times| times.confirmation = Duration::ZERO),
    ("announce", |times| times.announce = Duration::ZERO),
    ("quiet", |times| times.quiet = Duration::ZERO),
    ("gap_retry", |times| times.gap_retry = Duration::ZERO),
    ("pulse", |times| times.pulse = Duration::ZERO),
    ("backoff", |times| times.backoff = Duration::ZERO),
    ("backoff_most", |times| times.backoff_most = Duration::ZERO),
    ("exchange", |times| times.exchange = Duration::ZERO),
];

#[test]
fn the_defaults_are_taken() {
    let config = Config::new(node(1)).checked().unwrap();
    assert_eq!((config.bounds, config.times), (Bounds::DEFAULT, Times::DEFAULT));
}

#[test]
fn a_bound_that_lets_nothing_through_is_refused() {
    for (name, set) in BOUNDS {
        let mut config = Config::new(node(1));
        set(&mut config.bounds);
        assert_eq!(config.checked().err(), Some(ConfigError { name }));
    }
}

#[test]
fn a_time_that_does_not_pass_is_refused() {
    for (name, set) in TIMES {
        let mut config = Config::new(node(1));
        set(&mut config.times);
        assert_eq!(config.checked().err(), Some(ConfigError { name }));
    }
    assert_eq!(
        ConfigError { name: "idle" }.to_string(),
        "the field `idle` of the configuration must be at least 1"
    );
}

/// Waits before somebody is asked may be none: then he is asked at once.
#[test]
fn some_waits_may_be_none() {
    let mut config = Config::new(node(1));
    config.times.gap_jitter = Duration::ZERO;
    config.times.patience = Duration::ZERO;
    config.times.hedge = Duration::ZERO;
    assert!(config.checked().is_ok());
}

#[test]
fn bounds_of_one_are_taken() {
    let mut config = Config::new(node(1));
    config.bounds = Bounds {
        shares: 1,
        peers: 1,
        seeds: 1,
        links: 1,
        strangers: 1,
        arriving: 1,
        fan_out: 1,
        outbox: 1,
        in_flight: 1,
        frames_per_second: 1,
        strange_datagrams_per_second: 1,
        answers_per_second: 1,
        recent: 1,
        recent_bytes: 1,
        origins: 1,
        tallies: 1,
        missed: 1,
        attempts: 1,
    };
    assert!(config.checked().is_ok());
}
