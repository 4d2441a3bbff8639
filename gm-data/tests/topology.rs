//! All groups of a node, and the one fingerprint over them.

mod common;

use common::{NOW, blank, gone, id, later, message, name, range, record, serve, serves, version};
use gm_data::{Change, GroupName, KeyRange, Message, OwnOutcome, Replica, Topology};
use proptest::prelude::*;

/// Lets 10.0.0.1 serve the range in the group.
fn serve_in(topology: &mut Topology, group: &str, text: &str) {
    topology.edit(&name(group), |replica| replica.change(&[serve(text)], NOW)).expect("a sound change");
}

/// The state of the group with what 10.0.0.`member` serves there.
fn state(group: &str, member: u8, clock: u64) -> Message {
    let record = record(id(member), version(1, clock), &[serves(id(member), "0-9", clock)]);
    Message::from_records(name(group), [record])
}

fn hear(topology: &mut Topology, message: &Message) {
    topology.edit(message.name(), |replica| replica.hear(message, NOW)).expect("of this group");
}

fn names<'a>(names: impl Iterator<Item = &'a GroupName>) -> Vec<&'a str> {
    names.map(GroupName::as_str).collect()
}

#[test]
fn groups_come_in_the_order_of_their_names() {
    let mut topology = Topology::new(id(1));
    for group in ["b", "Z", "é", "a"] {
        serve_in(&mut topology, group, "0-9");
    }
    hear(&mut topology, &state("c", 2, 1));
    hear(&mut topology, &state("a", 2, 1));
    assert_eq!(names(topology.groups()), ["Z", "a", "b", "c", "é"]);
    assert_eq!(names(topology.replicas().map(|replica| replica.state().name())), ["Z", "a", "b", "c", "é"]);
    assert_eq!(names(topology.groups_of(id(1))), ["Z", "a", "b", "é"]);
    assert_eq!(names(topology.groups_of(id(2))), ["a", "c"]);
    assert_eq!(names(topology.groups_of(id(3))), [""; 0]);
    assert_eq!(topology.me(), id(1));
    assert_eq!(topology.group(&name("c")).map(Replica::is_member), Some(false));
    assert!(topology.group(&name("d")).is_none());
    // Who leaves is no member, and the group is still known.
    topology.edit(&name("b"), |replica| replica.leave(NOW)).expect("a member may leave");
    assert_eq!(names(topology.groups_of(id(1))), ["Z", "a", "é"]);
    assert_eq!(topology.groups().len(), 5);
}

#[test]
fn the_root_changes_with_every_change_and_returns_when_it_is_undone() {
    let mut topology = Topology::new(id(1));
    assert_eq!(topology.root(), 0);
    let mut roots = vec![topology.root()];
    let group = name("G");
    let mut step = |topology: &mut Topology, what: &str| {
        assert!(
            !roots.contains(&topology.root()),
            "{what} left the root as it was, or brought an old one back"
        );
        roots.push(topology.root());
    };
    serve_in(&mut topology, "G", "0-9");
    step(&mut topology, "a first write");
    let saved = topology.group(&group).expect("it is held").clone();
    let root = topology.root();
    serve_in(&mut topology, "G", "10-19");
    step(&mut topology, "a second write");
    serve_in(&mut topology, "H", "0-9");
    step(&mut topology, "another group");
    hear(&mut topology, &state("G", 2, 1));
    step(&mut topology, "a record of another member");
    topology.edit(&group, |replica| replica.forget(id(2))).expect("it is known");
    step(&mut topology, "a forget");
    topology.edit(&group, |replica| replica.leave(NOW)).expect("a member may leave");
    step(&mut topology, "a leave");

    topology.edit(&group, |replica| *replica = saved);
    topology.edit(&name("H"), |replica| *replica = Replica::new(id(1), name("H")));
    assert_eq!(topology.root(), root);
    assert_eq!(names(topology.groups()), ["G"]);
    topology.edit(&group, |replica| *replica = blank());
    assert_eq!((topology.root(), topology.groups().len()), (0, 0));
}

#[test]
fn one_name_or_another_makes_another_root() {
    let root = |group: &str| {
        let mut topology = Topology::new(id(1));
        hear(&mut topology, &state(group, 2, 1));
        topology.root()
    };
    let roots = ["G", "H", "GG", "G ", "12345678", "123456780", "1234567"].map(root);
    for (at, root) in roots.iter().enumerate() {
        assert!(!roots[..at].contains(root), "name {at}");
    }
}

#[test]
fn a_stray_edit_leaves_nothing() {
    let mut topology = Topology::new(id(1));
    let stray = name("stray");
    assert!(!topology.edit(&stray, |replica| replica.is_member()));
    topology.edit(&stray, |replica| replica.leave(NOW)).expect_err("not a member");
    topology.edit(&stray, |replica| replica.change(&[], NOW)).expect_err("an empty batch");
    topology
        .edit(&stray, |replica| replica.change(&[Change::Unserve(KeyRange::WHOLE)], NOW))
        .expect_err("not served");
    topology.edit(&stray, |replica| replica.forget(id(2))).expect_err("unknown");
    topology.edit(&stray, |replica| replica.hear(&state("other", 2, 1), NOW)).expect_err("another group");
    topology
        .edit(&stray, |replica| replica.hear(&Message::new(name("stray")), NOW))
        .expect("an empty message");
    assert_eq!((topology.groups().len(), topology.root()), (0, 0));
    assert!(topology.group(&stray).is_none());
}

#[test]
fn what_is_no_record_and_matters_later_is_kept() {
    let mut topology = Topology::new(id(1));
    let group = name("G");
    // A port that was set.
    topology.edit(&group, |replica| *replica = replica.clone().with_default_port(80));
    assert_eq!((topology.groups().len(), topology.root()), (1, 0));
    let by_default = Change::Serve { range: range("0-9"), port: None, priority: 1 };
    topology.edit(&group, |replica| replica.change(&[by_default], NOW)).expect("there is a default port");
    // Records of those who left and of the forgotten.
    let mut other = Topology::new(id(3));
    hear(&mut other, &message([record(id(2), gone(1, 4), &[])]));
    assert_eq!(other.groups().len(), 1);
    assert_ne!(other.root(), 0);
}

#[test]
fn a_defence_reaches_the_root() {
    let mut topology = Topology::new(id(2));
    let heard = state("G", 2, 4);
    let own = topology.edit(&name("G"), |replica| replica.hear(&heard, later(0))).expect("of this group").own;
    assert!(matches!(own, OwnOutcome::Reasserted(_)));
    let mut other = Topology::new(id(1));
    hear(&mut other, topology.group(&name("G")).expect("it is held").state());
    assert_ne!(topology.root(), 0);
    assert_eq!(topology.root(), other.root());
}

#[test]
#[should_panic(expected = "of another node or group")]
fn the_replica_of_another_group_is_not_taken() {
    let mut topology = Topology::new(id(1));
    topology.edit(&name("H"), |replica| *replica = blank());
}

proptest! {
    /// Equal groups have equal roots, whoever holds them and in whatever order and number of pieces they came.
    #[test]
    fn equal_contents_have_equal_roots(
        pieces in proptest::collection::vec((0..3_usize, 2..6_u8, 1..4_u64), 0..12),
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 12),
    ) {
        let states: Vec<Message> =
            pieces.into_iter().map(|(group, member, clock)| state(["G", "H", "I"][group], member, clock)).collect();
        let (mut left, mut right) = (Topology::new(id(1)), Topology::new(id(9)));
        states.iter().for_each(|state| hear(&mut left, state));
        let mut rest = states.clone();
        for index in order {
            if !rest.is_empty() {
                let state = rest.remove(index.index(rest.len()));
                hear(&mut right, &state);
                hear(&mut right, &state);
            }
        }
        prop_assert_eq!(left.root(), right.root());
        prop_assert!(left.groups().eq(right.groups()));
        prop_assert_eq!(left.root() == 0, states.is_empty());
    }
}
