//! Queries of a network for tests.

use gm_broadcast::{AckPart, AckReport, BroadcastEvent, Counter};
use gm_codec::BroadcastId;

use crate::net::Net;
use crate::station::Delivered;

impl Net {
    /// The total of a counter of a station.
    pub(crate) fn count(&self, number: usize, counter: Counter) -> u64 {
        self.broadcaster(number).counters().get(counter)
    }

    /// The total of a counter of a station for one reason.
    pub(crate) fn count_reason(&self, number: usize, counter: Counter, reason: &str) -> u64 {
        self.broadcaster(number).counters().get_reason(counter, reason)
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
