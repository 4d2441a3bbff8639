//! The contact table: direct contacts and gossip, referrals, ageing, and displacement when the
//! table is full.

use super::*;

fn node(number: u8) -> NetId {
    format!("10.0.0.{number}:29999").parse().unwrap()
}

fn name(number: usize) -> GroupName {
    format!("group-{number:05}").parse().unwrap()
}

fn at(seconds: u64) -> Time {
    Time::from_nanos(seconds * 1_000_000_000)
}

impl Contacts {
    fn add_direct(&mut self, now: u64, group: usize, member: u8) -> AddedContact {
        self.add(at(now), &name(group), node(member), Source::Direct, node(member))
    }

    fn add_gossip(&mut self, now: u64, group: usize, member: u8, by: u8) -> AddedContact {
        self.add(at(now), &name(group), node(member), Source::Gossip, node(by))
    }

    fn best(&self, group: usize) -> Option<NetId> {
        self.iter().find(|(of, _)| **of == name(group)).map(|(_, member)| member)
    }

    /// Checks that the indexes match the entries.
    fn check(&self) {
        let listed: usize = self.by_announcer.values().map(BTreeSet::len).sum();
        assert_eq!(listed, self.entries.len());
        for (name, entry) in &self.entries {
            assert!(self.by_announcer[&entry.announcer].contains(&entry.rank(name)));
            assert!(!entry.members.is_empty() && entry.members.len() <= MAX_MEMBERS);
        }
        let sizes: BTreeSet<_> = self.by_announcer.iter().map(|(node, ranks)| (ranks.len(), *node)).collect();
        assert_eq!(sizes, self.announcer_sizes);
    }
}

#[test]
fn direct_contacts_rank_before_gossip() {
    let mut contacts = Contacts::new(10);
    contacts.add_gossip(1, 0, 1, 9);
    contacts.add_direct(2, 0, 2);
    contacts.add_gossip(3, 0, 3, 9);
    contacts.add_gossip(4, 0, 2, 9);
    assert_eq!(contacts.best(0), Some(node(2)));
    assert_eq!(contacts.direct_contacts(None).collect::<Vec<_>>(), [(&name(0), node(2))]);
    // Gossip did not refresh the direct contact.
    contacts.expire(at(12), Duration::from_secs(10));
    assert_eq!(contacts.best(0), Some(node(3)));
    assert_eq!(contacts.direct_contacts(None).count(), 0);
    contacts.check();
}

#[test]
fn has_news_after_contacts_were_added() {
    let mut contacts = Contacts::new(10);
    assert_eq!(contacts.add_direct(1, 0, 1), AddedContact { is_new: true, has_news: true, is_full: false });
    assert_eq!(contacts.refer_to_other(&name(0), node(1)), None);
    assert_eq!(contacts.add_direct(2, 0, 2), AddedContact { is_new: true, has_news: true, is_full: false });
    assert_eq!(contacts.refer_to_other(&name(0), node(2)), Some(node(1)));
    assert_eq!(contacts.add_direct(3, 0, 2), AddedContact::default());
    assert_eq!(contacts.add_direct(4, 0, 1), AddedContact { is_new: false, has_news: true, is_full: false });
    assert_eq!(contacts.add_direct(5, 0, 1), AddedContact::default());
    // With several others, each referral names a different one.
    contacts.add_direct(6, 0, 3);
    let named: BTreeSet<_> = (0..2).filter_map(|_| contacts.refer_to_other(&name(0), node(3))).collect();
    assert_eq!(named, [node(1), node(2)].into());
}

#[test]
fn groups_without_a_host_expire() {
    let mut contacts = Contacts::new(10);
    contacts.add_direct(0, 0, 1);
    contacts.add_gossip(5, 1, 1, 2);
    contacts.changed = false;
    contacts.expire(at(9), Duration::from_secs(10));
    assert_eq!((contacts.len(), contacts.changed), (2, false));
    contacts.expire(at(10), Duration::from_secs(10));
    assert_eq!((contacts.len(), contacts.changed), (1, true));
    contacts.expire(at(15), Duration::from_secs(10));
    assert_eq!(contacts.len(), 0);
    contacts.check();
}

#[test]
fn the_largest_announcer_is_displaced_first() {
    let mut contacts = Contacts::new(100);
    for (now, group) in (0..150).enumerate() {
        let _ = contacts.add_direct(now as u64, group, 1);
    }
    assert_eq!(contacts.len(), 100);
    assert_eq!(contacts.iter().next(), Some((&name(50), node(1))), "the oldest was displaced");
    for group in 200..250 {
        assert!(contacts.add_direct(200, group, 2).is_full);
    }
    assert_eq!((contacts.len(), contacts.by_announcer[&node(2)].len()), (100, 50));
    // From now on the two announcers share the table.
    for group in 300..400 {
        let _ = contacts.add_direct(300, group, 1);
    }
    assert!(contacts.by_announcer[&node(2)].len() >= 49);
    contacts.check();
}

#[test]
fn gossip_is_displaced_before_direct_contacts() {
    let mut contacts = Contacts::new(4);
    for group in 0..2 {
        let _ = contacts.add_direct(1, group, 1);
    }
    for group in 2..4 {
        let _ = contacts.add_gossip(2, group, 5, 1);
    }
    contacts.add_direct(3, 4, 2);
    assert_eq!(contacts.best(2), None, "the older gossip was displaced");
    contacts.add_direct(3, 5, 2);
    contacts.add_direct(3, 6, 2);
    assert_eq!(contacts.best(3), None);
    assert_eq!(contacts.add_gossip(4, 7, 5, 6), AddedContact { is_full: true, ..AddedContact::default() });
    assert_eq!((contacts.best(7), contacts.len()), (None, 4));
    contacts.check();
}

#[test]
fn a_node_that_released_a_group_is_no_contact() {
    let mut contacts = Contacts::new(4);
    contacts.add_direct(1, 0, 1);
    contacts.add_direct(2, 0, 2);
    contacts.remove_member(&name(0), node(2));
    assert_eq!(contacts.best(0), Some(node(1)));
    contacts.remove_member(&name(0), node(1));
    assert_eq!(contacts.len(), 0);
    contacts.check();
    contacts.add_direct(1, 0, 1);
    assert_eq!(contacts.remove(&name(0)), [node(1)]);
    contacts.check();
}

/// Only changes of what is stored set `changed`, and no step clears it.
#[test]
fn changes_of_direct_contacts_are_noted() {
    type Step = fn(&mut Contacts);
    let first: Step = |contacts| _ = contacts.add_direct(1, 0, 1);
    let rows: [(&str, &[Step], Step, bool); 9] = [
        ("the first direct contact", &[], first, true),
        ("gossip", &[], |contacts| _ = contacts.add_gossip(2, 0, 1, 9), false),
        ("another direct contact", &[first], |contacts| _ = contacts.add_direct(2, 0, 2), false),
        ("gossip beside a direct contact", &[first], |contacts| _ = contacts.add_gossip(2, 0, 2, 9), false),
        (
            "a group with a direct contact is removed",
            &[first],
            |contacts| drop(contacts.remove(&name(0))),
            true,
        ),
        (
            "a group without one is removed",
            &[|contacts| _ = contacts.add_gossip(1, 0, 1, 9)],
            |contacts| drop(contacts.remove(&name(0))),
            false,
        ),
        ("the only member is removed", &[first], |contacts| contacts.remove_member(&name(0), node(1)), true),
        (
            "the direct contact is removed, gossip remains",
            &[first, |contacts| _ = contacts.add_gossip(1, 0, 2, 9)],
            |contacts| contacts.remove_member(&name(0), node(1)),
            true,
        ),
        (
            "gossip is removed, the direct contact remains",
            &[first, |contacts| _ = contacts.add_gossip(1, 0, 2, 9)],
            |contacts| contacts.remove_member(&name(0), node(2)),
            false,
        ),
    ];
    for (what, before, step, changes) in rows {
        for changed in [false, true] {
            let mut contacts = Contacts::new(10);
            before.iter().for_each(|step| step(&mut contacts));
            contacts.changed = changed;
            step(&mut contacts);
            assert_eq!(contacts.changed, changed || changes, "{what}");
            contacts.check();
        }
    }
}
