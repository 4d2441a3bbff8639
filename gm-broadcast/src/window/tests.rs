//! The window beside a plain set of all that was done, with the stated bounds.

use std::collections::BTreeSet;

use gm_codec::BroadcastId;
use proptest::prelude::*;

use super::{Past, SEQUENCES, Source, Window};
use crate::islands::tests::node;

/// What is done with a broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Deed {
    Deliver,
    Forward,
}

/// Everything that was done with the sources of the list, the one used last at its end.
#[derive(Debug, Default)]
struct Twin {
    most: usize,
    sources: Vec<Source>,
    done: BTreeSet<(Source, u64, Deed)>,
}

impl Twin {
    fn highest(&self, source: Source) -> Option<u64> {
        self.done.iter().filter(|(from, ..)| *from == source).map(|(_, sequence, _)| *sequence).max()
    }

    fn too_old(&self, id: &BroadcastId) -> bool {
        let highest = self.highest((id.origin, id.epoch)).unwrap_or(0);
        (0..SEQUENCES).all(|back| highest.checked_sub(back).is_none_or(|least| id.sequence < least))
    }

    fn past(&self, id: &BroadcastId) -> Past {
        let source = (id.origin, id.epoch);
        let was = |deed| self.done.contains(&(source, id.sequence, deed));
        match (was(Deed::Deliver), was(Deed::Forward)) {
            _ if self.too_old(id) => Past::TooOld,
            (false, false) => Past::New,
            (delivered, forwarded) => Past::Known { delivered, forwarded },
        }
    }

    fn note(&mut self, id: &BroadcastId, deed: Deed) {
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
    fn it_knows_what_a_set_knows(
        most in 1..6_usize,
        deeds in prop::collection::vec((id(), prop_oneof![Just(Deed::Deliver), Just(Deed::Forward)]), 0..80),
        asked in prop::collection::vec(id(), 20),
    ) {
        let mut window = Window::new(most);
        let mut twin = Twin { most, ..Twin::default() };
        for (id, deed) in &deeds {
            prop_assert_eq!(window.past(id), twin.past(id), "{:?}", id);
            match deed {
                Deed::Deliver => window.deliver(id),
                Deed::Forward => window.forward(id),
            }
            twin.note(id, *deed);
            prop_assert!(window.sources.len() <= most);
            prop_assert_eq!(window.sources.len(), window.by_use.len());
            for id in deeds.iter().map(|(id, _)| id).chain(&asked) {
                prop_assert_eq!(window.past(id), twin.past(id), "{:?}", id);
            }
        }
    }
}

fn of(origin: u32, sequence: u64) -> BroadcastId {
    BroadcastId { origin: node(origin), epoch: [1; 8], sequence }
}

#[test]
fn of_an_origin_256_sequences_are_told_apart() {
    let mut window = Window::new(1);
    window.deliver(&of(0, 1_000));
    assert_eq!(window.past(&of(0, 1_000 - 256)), Past::TooOld);
    assert_eq!(window.past(&of(0, 1_000 - 255)), Past::New);
    assert_eq!(window.past(&of(0, 1_001)), Past::New);
    window.deliver(&of(0, 1_000 - 256));
    assert_eq!(window.past(&of(0, 1_000 - 256)), Past::TooOld, "what is too old stays so");
    window.deliver(&of(0, 1_255));
    assert_eq!(window.past(&of(0, 1_000)), Past::Known { delivered: true, forwarded: false });
    window.deliver(&of(0, 1_256));
    assert_eq!(window.past(&of(0, 1_000)), Past::TooOld);
    assert_eq!(window.past(&of(0, 1_001)), Past::New, "its place is not that of another");
}

#[test]
fn the_origin_unused_the_longest_is_forgotten() {
    let mut window = Window::new(2);
    let known = Past::Known { delivered: true, forwarded: false };
    window.deliver(&of(0, 7));
    window.deliver(&of(1, 7));
    window.deliver(&of(0, 8));
    window.deliver(&of(2, 7));
    assert_eq!(window.past(&of(0, 7)), known);
    assert_eq!(window.past(&of(1, 7)), Past::New);
    assert_eq!(window.past(&of(2, 7)), known);
}
