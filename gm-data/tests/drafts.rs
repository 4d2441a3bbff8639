//! Drafts and commits, merging of other members only, classification of peer copies, and retaining
//! only the own record.

mod common;

use common::{
    FIRST, NOW, assert_same, empty_replica, forgotten, group_state, id, later, name, record, serve, serves,
    unserve, version,
};
use gm_data::{MergeOutcome, PeerCopy, PurgePolicy, Replica, VersionDigest, View};

/// Asserts that index, fingerprint and buckets equal those of a rebuilt state.
fn assert_followed(replica: &Replica) {
    let view = replica.view();
    let built = View::new(group_state(view.records().cloned()));
    assert_eq!(view.fingerprint(), built.fingerprint());
    assert_eq!(view.bucket_children(0, 0), built.bucket_children(0, 0));
    assert_eq!(
        (view.live_item_count(), view.member_count()),
        (built.live_item_count(), built.member_count())
    );
    assert!((0..100).step_by(5).all(|key| view.locate(key) == built.locate(key)));
}

fn other(number: u8, clock: u64) -> gm_data::Record {
    record(id(number), version(1, clock), &[serves(id(number), "0-9", clock)])
}

#[test]
fn a_draft_is_visible_once_committed() {
    let mut live = empty_replica();
    live.merge_others(&group_state([other(2, 1)])).expect("one group");
    let mut draft = live.clone();
    draft.change(&[serve("0-9")], NOW).expect("a sound change");
    assert!(live.own_record().is_none());

    // Records merged meanwhile stay, and the draft's records of other members are ignored.
    live.merge_others(&group_state([other(2, 7), other(3, 1)])).expect("one group");
    live.commit(draft);
    assert_eq!(live.own_record().map(gm_data::Record::version), Some(version(FIRST, 1)));
    assert_eq!(live.state().record(id(2)).map(|r| r.version().clock), Some(7));
    assert!(live.state().members().eq([id(1), id(2), id(3)]));
    assert_followed(&live);

    // The incarnation was opened: the next write continues it.
    let mut draft = live.clone();
    let write = draft.change(&[serve("10-19"), unserve("0-9")], NOW).expect("a sound change");
    assert_eq!((write.version, write.increment.is_some()), (version(FIRST, 2), true));
    live.commit(draft);
    assert_eq!(live.view().locate(12).len(), 1);
    assert_followed(&live);
}

#[test]
fn a_draft_without_a_write_changes_nothing() {
    let mut live = empty_replica();
    live.change(&[serve("0-9")], NOW).expect("a sound change");
    let before = live.clone();
    live.commit(before.clone());
    assert_same(&before, &live);
}

#[test]
fn the_incarnation_of_a_draft_is_committed_too() {
    // A received own record raises the next incarnation, here in the draft only.
    let mut live = empty_replica();
    let mut draft = live.clone();
    let received = VersionDigest { version: version(FIRST + 1_000, 5), digest: 0 };
    draft.observe_own_record(received, NOW);
    let asserted = draft.own_record().map(gm_data::Record::version);
    assert_eq!(asserted, Some(version(FIRST + 1_001, 6)));
    live.commit(draft.clone());
    assert_same(&draft, &live);
    assert_eq!(live.change(&[serve("0-9")], NOW).expect("sound").version, version(FIRST + 1_001, 7));
    assert_eq!(live.conflict(), draft.conflict());
}

#[test]
fn a_draft_that_was_overtaken_does_not_go_back() {
    let mut live = empty_replica();
    live.change(&[serve("0-9")], NOW).expect("sound");
    let early = live.clone();
    live.change(&[serve("10-19")], NOW).expect("sound");
    let own = live.own_record().cloned();
    live.commit(early);
    assert_eq!(live.own_record().cloned(), own);
    assert_followed(&live);
}

#[test]
fn a_purged_draft_is_committed() {
    let mut live = empty_replica();
    live.change(&[serve("0-9"), serve("10-19")], NOW).expect("sound");
    live.change(&[unserve("0-9")], NOW).expect("sound");
    let mut draft = live.clone();
    assert_eq!(draft.purge(PurgePolicy::EVERYTHING), 1);
    live.commit(draft.clone());
    assert_eq!(live.own_record(), draft.own_record());
    assert_followed(&live);
}

#[test]
#[should_panic(expected = "a draft of another node or group")]
fn a_draft_of_another_node_is_refused() {
    empty_replica().commit(Replica::new(id(2), name("G")));
}

#[test]
#[should_panic(expected = "a draft of another node or group")]
fn a_draft_of_another_group_is_refused() {
    empty_replica().commit(Replica::new(id(1), name("H")));
}

#[test]
fn merging_others_ignores_the_own_record() {
    let mut replica = empty_replica();
    replica.change(&[serve("0-9")], NOW).expect("sound");
    let own = replica.own_record().cloned();
    let received = group_state([record(id(1), version(u64::from(u32::MAX) << 16, 9), &[]), other(2, 1)]);
    let merged = replica.merge_others(&received).expect("one group");
    assert_eq!(merged, MergeOutcome { newer: vec![id(2)], ..MergeOutcome::default() });
    assert_eq!(replica.own_record().cloned(), own);
    let wrong = gm_data::GroupState::new(name("H"));
    assert!(replica.merge_others(&wrong).is_err());
}

#[test]
fn copies_of_the_own_record_are_classified() {
    let mut replica = empty_replica();
    let copy = |version| VersionDigest { version, digest: 0 };
    assert_eq!(replica.classify_copy(copy(version(1, 1))), PeerCopy::Foreign, "there is no own record");
    replica.change(&[serve("0-9")], NOW).expect("sound");
    let before = replica.clone();
    let own = replica.own_record().expect("written").version_digest();
    let cases = [
        (own, PeerCopy::Same),
        (VersionDigest { digest: own.digest ^ 1, ..own }, PeerCopy::Foreign),
        (copy(version(FIRST, 0)), PeerCopy::Older),
        (copy(version(FIRST, 2)), PeerCopy::Foreign),
        (copy(forgotten(FIRST, 1)), PeerCopy::Foreign),
        (copy(forgotten(FIRST - 1, 99)), PeerCopy::Older),
        (copy(version(FIRST + 1, 0)), PeerCopy::Foreign),
    ];
    for (received, want) in cases {
        assert_eq!(replica.classify_copy(received), want, "{received:?}");
        // `observe_own_record` makes the same classification.
        let outcome = replica.clone().observe_own_record(received, later(1));
        let found = match outcome {
            gm_data::OwnRecordOutcome::Nothing => PeerCopy::Same,
            gm_data::OwnRecordOutcome::Older => PeerCopy::Older,
            _ => PeerCopy::Foreign,
        };
        assert_eq!(found, want, "{received:?}: {outcome:?}");
    }
    assert_same(&before, &replica);
}

#[test]
fn retaining_the_own_record_drops_all_others() {
    let mut replica = empty_replica();
    replica.retain_own_record();
    assert_eq!(replica.state().records().len(), 0);
    replica.merge_others(&group_state([other(2, 1), other(3, 1)])).expect("one group");
    replica.change(&[serve("0-9")], NOW).expect("sound");
    replica.leave(NOW).expect("a member");
    let own = replica.own_record().cloned();
    replica.retain_own_record();
    assert_eq!(replica.own_record().cloned(), own);
    assert!(replica.state().records().map(gm_data::Record::member).eq([id(1)]));
    assert_eq!(replica.view().bucket(0, 0).records, 1);
    assert!(replica.view().locate(5).is_empty());
    assert_followed(&replica);
    // A later join continues the incarnation, and other members can be merged again.
    assert_eq!(replica.join(&[], NOW).expect("sound").version, version(FIRST, 3));
    replica.merge_others(&group_state([other(2, 1)])).expect("one group");
    assert_followed(&replica);
}
