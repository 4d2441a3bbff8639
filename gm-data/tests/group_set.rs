//! Group sets: all groups of a node, and the root hash over them.

mod common;

use common::{
    NOW, empty_replica, forgotten, group_state, id, later, name, range, record, serve, serves, version,
};
use gm_data::{Change, GroupName, GroupSet, GroupState, KeyRange, OwnRecordOutcome, Replica};
use proptest::prelude::*;

/// Lets 10.0.0.1 serve the range in the group.
fn serve_in(groups: &mut GroupSet, group: &str, text: &str) {
    groups.edit(&name(group), |replica| replica.change(&[serve(text)], NOW)).expect("a sound change");
}

/// The state of the group with a record of 10.0.0.`member`.
fn state(group: &str, member: u8, clock: u64) -> GroupState {
    let record = record(id(member), version(1, clock), &[serves(id(member), "0-9", clock)]);
    GroupState::from_records(name(group), [record])
}

fn merge(groups: &mut GroupSet, group_state: &GroupState) {
    groups.edit(group_state.name(), |replica| replica.merge(group_state, NOW)).expect("of this group");
}

fn names<'a>(names: impl Iterator<Item = &'a GroupName>) -> Vec<&'a str> {
    names.map(GroupName::as_str).collect()
}

#[test]
fn groups_come_in_the_order_of_their_names() {
    let mut groups = GroupSet::new(id(1));
    for group in ["b", "Z", "é", "a"] {
        serve_in(&mut groups, group, "0-9");
    }
    merge(&mut groups, &state("c", 2, 1));
    merge(&mut groups, &state("a", 2, 1));
    assert_eq!(names(groups.groups()), ["Z", "a", "b", "c", "é"]);
    assert_eq!(names(groups.replicas().map(|replica| replica.state().name())), ["Z", "a", "b", "c", "é"]);
    assert_eq!(names(groups.groups_of(id(1))), ["Z", "a", "b", "é"]);
    assert_eq!(names(groups.groups_of(id(2))), ["a", "c"]);
    assert_eq!(names(groups.groups_of(id(3))), [""; 0]);
    assert_eq!(groups.me(), id(1));
    assert_eq!(groups.group(&name("c")).map(Replica::is_member), Some(false));
    assert!(groups.group(&name("d")).is_none());
    // A node that left is no member, and the group is still known.
    groups.edit(&name("b"), |replica| replica.leave(NOW)).expect("a member may leave");
    assert_eq!(names(groups.groups_of(id(1))), ["Z", "a", "é"]);
    assert_eq!(groups.groups().len(), 5);
}

#[test]
fn the_root_follows_every_change_and_its_undoing() {
    let mut groups = GroupSet::new(id(1));
    assert_eq!(groups.root(), 0);
    let mut roots = vec![groups.root()];
    let group = name("G");
    let mut step = |groups: &mut GroupSet, what: &str| {
        assert!(
            !roots.contains(&groups.root()),
            "{what} left the root as it was, or brought an old one back"
        );
        roots.push(groups.root());
    };
    serve_in(&mut groups, "G", "0-9");
    step(&mut groups, "a first write");
    let saved = groups.group(&group).expect("it is held").clone();
    let root = groups.root();
    serve_in(&mut groups, "G", "10-19");
    step(&mut groups, "a second write");
    serve_in(&mut groups, "H", "0-9");
    step(&mut groups, "another group");
    merge(&mut groups, &state("G", 2, 1));
    step(&mut groups, "a record of another member");
    groups.edit(&group, |replica| replica.forget(id(2))).expect("it is known");
    step(&mut groups, "a forget");
    groups.edit(&group, |replica| replica.leave(NOW)).expect("a member may leave");
    step(&mut groups, "a leave");

    groups.edit(&group, |replica| *replica = saved);
    groups.edit(&name("H"), |replica| *replica = Replica::new(id(1), name("H")));
    assert_eq!(groups.root(), root);
    assert_eq!(names(groups.groups()), ["G"]);
    groups.edit(&group, |replica| *replica = empty_replica());
    assert_eq!((groups.root(), groups.groups().len()), (0, 0));
}

#[test]
fn the_root_depends_on_the_group_name() {
    let root = |group: &str| {
        let mut groups = GroupSet::new(id(1));
        merge(&mut groups, &state(group, 2, 1));
        groups.root()
    };
    let roots = ["G", "H", "GG", "G ", "12345678", "123456780", "1234567"].map(root);
    for (at, root) in roots.iter().enumerate() {
        assert!(!roots[..at].contains(root), "name {at}");
    }
}

#[test]
fn a_stray_edit_leaves_nothing() {
    let mut groups = GroupSet::new(id(1));
    let stray = name("stray");
    assert!(!groups.edit(&stray, |replica| replica.is_member()));
    groups.edit(&stray, |replica| replica.leave(NOW)).expect_err("not a member");
    groups.edit(&stray, |replica| replica.change(&[], NOW)).expect_err("an empty batch");
    groups
        .edit(&stray, |replica| replica.change(&[Change::Unserve(KeyRange::WHOLE)], NOW))
        .expect_err("not served");
    groups.edit(&stray, |replica| replica.forget(id(2))).expect_err("unknown");
    groups.edit(&stray, |replica| replica.merge(&state("other", 2, 1), NOW)).expect_err("another group");
    groups
        .edit(&stray, |replica| replica.merge(&GroupState::new(name("stray")), NOW))
        .expect("an empty message");
    assert_eq!((groups.groups().len(), groups.root()), (0, 0));
    assert!(groups.group(&stray).is_none());
}

#[test]
fn a_replica_with_only_local_state_is_kept() {
    let mut groups = GroupSet::new(id(1));
    let group = name("G");
    // A default port alone.
    groups.edit(&group, |replica| *replica = replica.clone().with_default_port(80));
    assert_eq!((groups.groups().len(), groups.root()), (1, 0));
    let by_default = Change::Serve { range: range("0-9"), port: None, priority: 1 };
    groups.edit(&group, |replica| replica.change(&[by_default], NOW)).expect("there is a default port");
    // Records of members that left or were forgotten.
    let mut other = GroupSet::new(id(3));
    merge(&mut other, &group_state([record(id(2), forgotten(1, 4), &[])]));
    assert_eq!(other.groups().len(), 1);
    assert_ne!(other.root(), 0);
}

#[test]
fn a_refutation_changes_the_root() {
    let mut groups = GroupSet::new(id(2));
    let received = state("G", 2, 4);
    let own =
        groups.edit(&name("G"), |replica| replica.merge(&received, later(0))).expect("of this group").own;
    assert!(matches!(own, OwnRecordOutcome::Refuted(_)));
    let mut other = GroupSet::new(id(1));
    merge(&mut other, groups.group(&name("G")).expect("it is held").state());
    assert_ne!(groups.root(), 0);
    assert_eq!(groups.root(), other.root());
}

#[test]
#[should_panic(expected = "of another node or group")]
fn the_replica_of_another_group_is_not_taken() {
    let mut groups = GroupSet::new(id(1));
    groups.edit(&name("H"), |replica| *replica = empty_replica());
}

proptest! {
    /// Equal groups have equal roots on all nodes, regardless of the order and number of merged
    /// states.
    #[test]
    fn equal_contents_have_equal_roots(
        pieces in proptest::collection::vec((0..3_usize, 2..6_u8, 1..4_u64), 0..12),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 12),
    ) {
        let states: Vec<GroupState> =
            pieces.into_iter().map(|(group, member, clock)| state(["G", "H", "I"][group], member, clock)).collect();
        let (mut left, mut right) = (GroupSet::new(id(1)), GroupSet::new(id(9)));
        states.iter().for_each(|state| merge(&mut left, state));
        let mut rest = states.clone();
        for index in order {
            if !rest.is_empty() {
                let state = rest.remove(index.index(rest.len()));
                merge(&mut right, &state);
                merge(&mut right, &state);
            }
        }
        prop_assert_eq!(left.root(), right.root());
        prop_assert!(left.groups().eq(right.groups()));
        prop_assert_eq!(left.root() == 0, states.is_empty());
    }
}
