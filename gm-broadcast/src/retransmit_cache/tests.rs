//! The cache, compared with a plain list.

use gm_codec::ApplicationPayload;
use proptest::prelude::*;

use super::*;
use crate::islands::tests::node;

/// Key of an entry: a broadcast, or a multicast.
type Name = (bool, u64);

#[derive(Clone, Copy, Debug)]
struct Op {
    name: Name,
    bytes: usize,
    counts: bool,
}

fn op() -> impl Strategy<Value = Op> {
    (any::<bool>(), 0..12_u64, prop_oneof![4 => 0..40_usize, 1 => 0..200_usize], any::<bool>())
        .prop_map(|(multicast, number, bytes, counts)| Op { name: (multicast, number), bytes, counts })
}

fn id(number: u64) -> BroadcastId {
    BroadcastId { origin: node(1), epoch: [1; 8], sequence: number }
}

fn content(bytes: usize) -> Arc<Content> {
    let body = Body::Application(ApplicationPayload { name: "a".into(), bytes: vec![1; bytes].into() });
    Arc::new(Content {
        body,
        payload_bytes: bytes,
        multicast: false,
        multicast_by_us: false,
        retransmitted: false,
    })
}

fn keep(recent: &mut RetransmitCache, Op { name: (multicast, number), bytes, counts }: Op) {
    if multicast {
        recent.insert_multicast(node(1), [1; 8], number, vec![2; bytes].into());
    } else {
        recent.insert_broadcast(id(number), content(bytes), counts, false);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_cache_equals_a_plain_list(
        most in 1..8_usize,
        max_bytes in 0..150_usize,
        ops in prop::collection::vec(op(), 0..60),
    ) {
        let mut recent = RetransmitCache::new(most, max_bytes);
        let mut list: Vec<Op> = Vec::new();
        for op in ops {
            keep(&mut recent, op);
            match list.iter_mut().find(|kept| kept.name == op.name) {
                Some(kept) => *kept = op,
                None => list.push(op),
            }
            let bytes = |list: &[Op]| list.iter().map(|kept| kept.bytes).sum::<usize>();
            while list.len() > most || bytes(&list) > max_bytes && list.len() > 1 {
                list.remove(0);
            }
            prop_assert_eq!(recent.len(), list.len());
            prop_assert_eq!(recent.bytes, bytes(&list));
            prop_assert!(recent.len() <= most);
            prop_assert!(recent.bytes <= max_bytes || recent.len() == 1, "only the newest entry alone may exceed the limit");
            for number in 0..12 {
                let of = |multicast| list.iter().find(|kept| kept.name == (multicast, number));
                let kept = recent.multicast(node(1), [1; 8], number).map(|payload| payload.len());
                prop_assert_eq!(kept, of(true).map(|kept| kept.bytes));
                let kept = recent.broadcast_with_outcome(&id(number)).map(|(content, counts, stored)| (content.payload_bytes, counts, stored));
                prop_assert_eq!(kept, of(false).map(|kept| (kept.bytes, kept.counts, false)));
                prop_assert_eq!(recent.broadcast(&id(number)).is_some(), of(false).is_some());
            }
        }
    }

    /// A new entry is always kept, whatever its size.
    #[test]
    fn the_newest_is_kept(
        most in 1..8_usize,
        max_bytes in 0..150_usize,
        sizes in prop::collection::vec(0..300_usize, 1..40),
    ) {
        let mut recent = RetransmitCache::new(most, max_bytes);
        for (number, bytes) in (0..).zip(sizes) {
            keep(&mut recent, Op { name: (number % 2 == 0, number), bytes, counts: true });
            let there = recent.multicast(node(1), [1; 8], number).is_some() || recent.broadcast(&id(number)).is_some();
            prop_assert!(there, "{} bytes of at most {}", bytes, max_bytes);
        }
    }
}

#[test]
fn a_stored_mark_lasts_until_eviction() {
    let mut recent = RetransmitCache::new(2, 100);
    recent.insert_broadcast(id(1), content(10), true, false);
    recent.mark_stored(&id(2));
    assert_eq!(recent.broadcast_with_outcome(&id(1)).map(|(_, _, stored)| stored), Some(false));
    recent.mark_stored(&id(1));
    assert_eq!(recent.broadcast_with_outcome(&id(1)).map(|(_, _, stored)| stored), Some(true));
    recent.insert_broadcast(id(2), content(10), true, true);
    recent.insert_broadcast(id(3), content(10), true, false);
    assert!(recent.broadcast_with_outcome(&id(1)).is_none());
    recent.mark_stored(&id(1));
    assert!(recent.broadcast_with_outcome(&id(1)).is_none());
}
