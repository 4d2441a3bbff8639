//! The window, compared with a plain set.

use std::collections::BTreeSet;

use gm_codec::BroadcastId;
use proptest::prelude::*;

use super::{DEDUP_WINDOW, Dedup, DedupStatus, OriginEpoch};
use crate::islands::tests::node;

/// An operation on a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    Deliver,
    Forward,
}

/// Operations on the sources of the list, in order of last use.
#[derive(Debug, Default)]
struct Twin {
    most: usize,
    sources: Vec<OriginEpoch>,
    done: BTreeSet<(OriginEpoch, u64, Mark)>,
}

impl Twin {
    fn highest(&self, source: OriginEpoch) -> Option<u64> {
        self.done.iter().filter(|(from, ..)| *from == source).map(|(_, sequence, _)| *sequence).max()
    }

    fn too_old(&self, id: &BroadcastId) -> bool {
        let highest = self.highest((id.origin, id.epoch)).unwrap_or(0);
        (0..DEDUP_WINDOW).all(|back| highest.checked_sub(back).is_none_or(|least| id.sequence < least))
    }

    fn past(&self, id: &BroadcastId) -> DedupStatus {
        let source = (id.origin, id.epoch);
        let was = |deed| self.done.contains(&(source, id.sequence, deed));
        match (was(Mark::Deliver), was(Mark::Forward)) {
            _ if self.too_old(id) => DedupStatus::TooOld,
            (false, false) => DedupStatus::New,
            (delivered, forwarded) => DedupStatus::Known { delivered, forwarded },
        }
    }

    fn note(&mut self, id: &BroadcastId, deed: Mark) {
        let source = (id.origin, id.epoch);
        self.sources.retain(|known| *known != source);
        self.sources.push(source);
        if self.sources.len() > self.most {
            let gone = self.sources.remove(0);
            self.done.retain(|(from, ..)| *from != gone);
        }
        if !self.too_old(id) {
            self.done.insert((source, id.sequence, deed));
        }
    }
}

fn id() -> impl Strategy<Value = BroadcastId> {
    let sequence = prop_oneof![
        4 => 0..20_u64,
        4 => 240..280_u64,
        2 => 500..540_u64,
        1 => u64::MAX - 300..=u64::MAX,
    ];
    (0..4_u32, 0..2_u8, sequence).prop_map(|(origin, epoch, sequence)| BroadcastId {
        origin: node(origin),
        epoch: [epoch; 8],
        sequence,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dedup_equals_a_plain_set(
        most in 1..6_usize,
        deeds in prop::collection::vec((id(), prop_oneof![Just(Mark::Deliver), Just(Mark::Forward)]), 0..80),
        asked in prop::collection::vec(id(), 20),
    ) {
        let mut window = Dedup::new(most);
        let mut model = Twin { most, ..Twin::default() };
        for (id, deed) in &deeds {
            prop_assert_eq!(window.status(id), model.past(id), "{:?}", id);
            match deed {
                Mark::Deliver => window.mark_delivered(id),
                Mark::Forward => window.mark_forwarded(id),
            }
            model.note(id, *deed);
            prop_assert!(window.sources.len() <= most);
            prop_assert_eq!(window.sources.len(), window.by_use.len());
            for id in deeds.iter().map(|(id, _)| id).chain(&asked) {
                prop_assert_eq!(window.status(id), model.past(id), "{:?}", id);
            }
        }
    }
}

fn of(origin: u32, sequence: u64) -> BroadcastId {
    BroadcastId { origin: node(origin), epoch: [1; 8], sequence }
}

#[test]
fn the_window_has_256_sequence_numbers() {
    let mut window = Dedup::new(1);
    window.mark_delivered(&of(0, 1_000));
    assert_eq!(window.status(&of(0, 1_000 - 256)), DedupStatus::TooOld);
    assert_eq!(window.status(&of(0, 1_000 - 255)), DedupStatus::New);
    assert_eq!(window.status(&of(0, 1_001)), DedupStatus::New);
    window.mark_delivered(&of(0, 1_000 - 256));
    assert_eq!(window.status(&of(0, 1_000 - 256)), DedupStatus::TooOld, "an old broadcast stays too old");
    window.mark_delivered(&of(0, 1_255));
    assert_eq!(window.status(&of(0, 1_000)), DedupStatus::Known { delivered: true, forwarded: false });
    window.mark_delivered(&of(0, 1_256));
    assert_eq!(window.status(&of(0, 1_000)), DedupStatus::TooOld);
    assert_eq!(window.status(&of(0, 1_001)), DedupStatus::New, "slots are not shared");
}

#[test]
fn the_origin_unused_the_longest_is_forgotten() {
    let mut window = Dedup::new(2);
    let known = DedupStatus::Known { delivered: true, forwarded: false };
    window.mark_delivered(&of(0, 7));
    window.mark_delivered(&of(1, 7));
    window.mark_delivered(&of(0, 8));
    window.mark_delivered(&of(2, 7));
    assert_eq!(window.status(&of(0, 7)), known);
    assert_eq!(window.status(&of(1, 7)), DedupStatus::New);
    assert_eq!(window.status(&of(2, 7)), known);
}
