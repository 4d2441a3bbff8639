//! Discovery, from direct reports and from gossip: candidates of a hosted group, contacts of other
//! groups, and their removal.

use gm_clock::Incarnation;
use gm_data::{Increment, Item, KeyRange, Record, Version};

use super::*;
use crate::config::NodeLimits;

fn node(number: u8) -> NetId {
    format!("10.0.0.{number}:29999").parse().unwrap()
}

fn name(number: usize) -> GroupName {
    format!("group-{number:05}").parse().unwrap()
}

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

fn groups(contacts: usize) -> Groups {
    Groups::new(node(1), false, NodeLimits { contacts, ..NodeLimits::DEFAULT })
}

fn host_candidates(groups: &Groups, group: &GroupName) -> Vec<(NetId, Time)> {
    groups
        .hosted
        .get(group)
        .map(|hosted| {
            hosted.host_candidates.iter().map(|candidate| (candidate.node, candidate.due)).collect()
        })
        .unwrap_or_default()
}

/// The times of the probes that were queued since the last call.
fn host_probes(groups: &mut Groups) -> Vec<Time> {
    let due = groups.effects.drain(..).filter_map(|effect| match effect {
        Effect::HostReported { due } => Some(due),
        _ => None,
    });
    due.collect()
}

fn contact(groups: &Groups, group: &GroupName) -> Option<NetId> {
    groups.contacts.iter().find(|(of, _)| *of == group).map(|(_, member)| member)
}

#[test]
fn a_direct_candidate_is_probed_a_little_later() {
    let mut groups = groups(10);
    assert!(groups.host(at(0), &name(0)));
    assert!(groups.discover(at(100), &name(0), node(2), Source::Gossip, node(9)).is_new);
    assert_eq!(
        (host_candidates(&groups, &name(0)), host_probes(&mut groups)),
        (vec![(node(2), at(100))], vec![at(100)])
    );
    assert!(groups.discover(at(100), &name(0), node(3), Source::Direct, node(3)).is_new);
    assert_eq!(host_candidates(&groups, &name(0)), [(node(2), at(100)), (node(3), at(600))]);
    assert_eq!(host_probes(&mut groups), [at(600)]);
    groups.remove_candidate(&name(0), node(2));
    assert_eq!(host_candidates(&groups, &name(0)), [(node(3), at(600))]);
    assert!(!groups.discover(at(100), &name(0), node(1), Source::Direct, node(1)).is_new, "oneself");
}

#[test]
fn a_node_that_leaves_is_no_longer_a_contact() {
    let mut groups = groups(10);
    groups.discover(at(0), &name(0), node(2), Source::Direct, node(2));
    groups.discover(at(0), &name(0), node(3), Source::Gossip, node(2));
    assert_eq!(contact(&groups, &name(0)), Some(node(2)));
    groups.remove_candidate(&name(0), node(2));
    assert_eq!(contact(&groups, &name(0)), Some(node(3)));
    groups.remove_candidate(&name(0), node(3));
    assert_eq!(contact(&groups, &name(0)), None);
}

/// A full table is reported once, and again only after a tenth of it was free.
#[test]
fn a_full_contact_table_is_reported_again_after_space() {
    let mut groups = groups(20);
    let discover = |groups: &mut Groups, now, numbers: std::ops::Range<usize>| {
        for number in numbers {
            groups.discover(at(now), &name(number), node(2), Source::Direct, node(2));
        }
        groups
            .effects
            .drain(..)
            .filter(|effect| matches!(effect, Effect::Emit(NodeEvent::ContactsFull { max: 20 })))
            .count()
    };
    let age = Duration::from_millis(1_000);
    assert_eq!(discover(&mut groups, 0, 0..2), 0);
    assert_eq!(discover(&mut groups, 500, 2..3), 0);
    assert_eq!(discover(&mut groups, 2_000, 3..20), 0, "it is just full");
    assert_eq!(discover(&mut groups, 2_000, 20..25), 1);
    groups.expire_contacts(at(2_000), age);
    assert!(groups.contacts_full);
    // Confirmed contacts stay, until there are 18, and 17.
    for (keep, full) in [(19, true), (18, true), (17, false)] {
        let names: Vec<GroupName> = groups.contacts.iter().map(|(name, _)| name.clone()).collect();
        for group in names.iter().take(names.len() - keep) {
            groups.remove_candidate(group, node(2));
        }
        assert_eq!(groups.contacts.len(), keep);
        groups.expire_contacts(at(2_000), age);
        assert_eq!(groups.contacts_full, full, "{keep} of 20");
    }
    assert_eq!(discover(&mut groups, 2_000, 100..110), 1);
}

/// A write in a group that is not hosted shows whether its writer is a member.
#[test]
fn a_write_makes_its_writer_a_candidate() {
    let record = |member: u8, live: bool| {
        let version = Version::new(Incarnation::new(1).unwrap(), false, 2).unwrap();
        let range = KeyRange::single(1);
        let item = if live {
            Item::serves(node(member), range, 80, 1).unwrap()
        } else {
            Item::removal(node(member), range)
        };
        Record::from_parts(node(member), version, None, 0, [StampedItem { item, stamp: 2 }]).unwrap()
    };
    let increment = |member: u8, live: bool| -> Increment {
        let before = Version::new(Incarnation::new(1).unwrap(), false, 1).unwrap();
        record(member, live).increment_since(before).unwrap()
    };
    // Columns: update of node 2, whether 2 was a contact before, whether it is one after.
    let rows = [
        ("a record with items", vec![MemberUpdate::Record(record(2, true))], false, true),
        ("a record without items", vec![MemberUpdate::Record(record(2, false))], false, false),
        ("a record without items, of a contact", vec![MemberUpdate::Record(record(2, false))], true, false),
        ("an increment with an item", vec![MemberUpdate::Increment(increment(2, true))], false, true),
        (
            "an increment with a removal only",
            vec![MemberUpdate::Increment(increment(2, false))],
            false,
            false,
        ),
        (
            "an increment with a removal only, of a contact",
            vec![MemberUpdate::Increment(increment(2, false))],
            true,
            true,
        ),
        ("a record of another member", vec![MemberUpdate::Record(record(3, false))], false, true),
    ];
    for (what, parts, known, expected) in rows {
        let mut groups = groups(10);
        if known {
            groups.discover(at(0), &name(0), node(2), Source::Direct, node(2));
        }
        groups.discover_writer(at(1), node(2), &GroupUpdate { name: name(0), updates: parts });
        assert_eq!(contact(&groups, &name(0)), expected.then(|| node(2)), "{what}");
    }
}

/// A member with a known record is no candidate.
#[test]
fn a_known_member_is_no_candidate() {
    let mut groups = groups(10);
    assert!(groups.host(at(0), &name(0)));
    let version = Version::new(Incarnation::new(1).unwrap(), false, 2).unwrap();
    let item = Item::serves(node(2), KeyRange::single(1), 80, 1).unwrap();
    let record = Record::from_parts(node(2), version, None, 0, [StampedItem { item, stamp: 2 }]).unwrap();
    groups.merge(
        at(0),
        (node(2), gm_broadcast::Path::Connection),
        None,
        &GroupUpdate { name: name(0), updates: vec![MemberUpdate::Record(record)] },
    );
    for source in [Source::Direct, Source::Gossip] {
        assert!(!groups.discover(at(5), &name(0), node(2), source, node(2)).is_new);
    }
    assert!(host_candidates(&groups, &name(0)).is_empty());
}
