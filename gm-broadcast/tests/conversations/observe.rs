//! Queries of a network for tests.

use gm_broadcast::{AckPart, AckReport, BroadcastEvent, Broadcaster, Counter};
use gm_codec::BroadcastId;

use crate::net::Net;
use crate::station::Delivered;

/// Usage of a limit of a broadcaster, and the limit.
pub(crate) fn limit_usage(broadcaster: &Broadcaster<Delivered>, what: &str) -> (usize, usize) {
    let all = broadcaster.limit_usage();
    all.into_iter().find(|(name, ..)| *name == what).map(|(_, held, most)| (held, most)).unwrap()
}

impl Net {
    /// The total of a counter of a station.
    pub(crate) fn count(&self, number: usize, counter: Counter) -> u64 {
        self.broadcaster(number).counters().get(counter)
    }

    /// The total of a counter of a station for one reason.
    pub(crate) fn count_reason(&self, number: usize, counter: Counter, reason: &str) -> u64 {
        self.broadcaster(number).counters().get_reason(counter, reason)
    }

    /// Usage of a limit of a station.
    pub(crate) fn usage(&self, number: usize, what: &str) -> usize {
        limit_usage(self.broadcaster(number), what).0
    }

    /// The deliveries of one broadcast at a station.
    pub(crate) fn got(&self, number: usize, id: BroadcastId) -> Vec<&Delivered> {
        self.stations[number].got.iter().filter(|got| got.id == Some(id)).collect()
    }

    pub(crate) fn texts(&self, number: usize) -> Vec<&str> {
        self.stations[number].got.iter().map(|got| &*got.text).collect()
    }

    /// The ack reports of a broadcast, in order.
    pub(crate) fn reports(&self, number: usize, tag: u64) -> Vec<&AckReport> {
        let reports = self.stations[number].events.iter().filter_map(|event| match event {
            BroadcastEvent::Acks { tag: of, report, .. } if *of == tag => Some(report),
            _ => None,
        });
        reports.collect()
    }

    /// The parts of the last ack report of a broadcast.
    pub(crate) fn parts(&self, number: usize, tag: u64) -> Vec<AckPart> {
        let parts = self.stations[number].events.iter().rev().find_map(|event| match event {
            BroadcastEvent::Acks { tag: of, parts, .. } if *of == tag => Some(parts.clone()),
            _ => None,
        });
        parts.unwrap_or_default()
    }
}
