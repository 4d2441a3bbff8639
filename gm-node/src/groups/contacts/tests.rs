//! The contact table: whose word counts, what is passed on, ageing, and who makes room when the table is full.

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
    fn own(&mut self, now: u64, group: usize, who: u8) -> Noted {
        self.note(at(now), &name(group), node(who), Word::Own, node(who))
    }

    fn hear(&mut self, now: u64, group: usize, who: u8, by: u8) -> Noted {
        self.note(at(now), &name(group), node(who), Word::Hearsay, node(by))
    }

    fn best(&self, group: usize) -> Option<NetId> {
        self.iter().find(|(of, _)| **of == name(group)).map(|(_, member)| member)
    }

    /// The index says what the entries say.
    fn check(&self) {
        let listed: usize = self.ranks.values().map(BTreeSet::len).sum();
        assert_eq!(listed, self.entries.len());
        for (name, entry) in &self.entries {
            assert!(self.ranks[&entry.announcer].contains(&entry.rank(name)));
            assert!(!entry.members.is_empty() && entry.members.len() <= MEMBERS);
        }
        let sizes: BTreeSet<_> = self.ranks.iter().map(|(node, ranks)| (ranks.len(), *node)).collect();
        assert_eq!(sizes, self.sizes);
    }
}

#[test]
fn an_own_word_counts_more_than_hearsay() {
    let mut contacts = Contacts::new(10);
    contacts.hear(1, 0, 1, 9);
    contacts.own(2, 0, 2);
    contacts.hear(3, 0, 3, 9);
    contacts.hear(4, 0, 2, 9);
    assert_eq!(contacts.best(0), Some(node(2)));
    assert_eq!(contacts.own_words(None).collect::<Vec<_>>(), [(&name(0), node(2))]);
    // Hearsay did not make the own word any newer.
    contacts.expire(at(12), Duration::from_secs(10));
    assert_eq!(contacts.best(0), Some(node(3)));
    assert_eq!(contacts.own_words(None).count(), 0);
    contacts.check();
}

#[test]
fn a_member_learns_of_those_who_spoke_up_since_it_spoke_last() {
    let mut contacts = Contacts::new(10);
    assert_eq!(contacts.own(1, 0, 1), Noted { new: true, news: true, full: false });
    assert_eq!(contacts.name_other(&name(0), node(1)), None);
    assert_eq!(contacts.own(2, 0, 2), Noted { new: true, news: true, full: false });
    assert_eq!(contacts.name_other(&name(0), node(2)), Some(node(1)));
    assert_eq!(contacts.own(3, 0, 2), Noted::default());
    assert_eq!(contacts.own(4, 0, 1), Noted { new: false, news: true, full: false });
    assert_eq!(contacts.own(5, 0, 1), Noted::default());
    // Of several, another one each time.
    contacts.own(6, 0, 3);
    let named: BTreeSet<_> = (0..2).filter_map(|_| contacts.name_other(&name(0), node(3))).collect();
    assert_eq!(named, [node(1), node(2)].into());
}

#[test]
fn names_that_no_node_holds_age_out() {
    let mut contacts = Contacts::new(10);
    contacts.own(0, 0, 1);
    contacts.hear(5, 1, 1, 2);
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
fn one_announcer_of_many_names_makes_room_for_others() {
    let mut contacts = Contacts::new(100);
    for (now, group) in (0..150).enumerate() {
        let _ = contacts.own(now as u64, group, 1);
    }
    assert_eq!(contacts.len(), 100);
    assert_eq!(contacts.iter().next(), Some((&name(50), node(1))), "the oldest made room");
    for group in 200..250 {
        assert!(contacts.own(200, group, 2).full);
    }
    assert_eq!((contacts.len(), contacts.ranks[&node(2)].len()), (100, 50));
    // From now on the two share the table.
    for group in 300..400 {
        let _ = contacts.own(300, group, 1);
    }
    assert!(contacts.ranks[&node(2)].len() >= 49);
    contacts.check();
}

#[test]
fn hearsay_does_not_displace_own_words_and_is_displaced_first() {
    let mut contacts = Contacts::new(4);
    for group in 0..2 {
        let _ = contacts.own(1, group, 1);
    }
    for group in 2..4 {
        let _ = contacts.hear(2, group, 5, 1);
    }
    contacts.own(3, 4, 2);
    assert_eq!(contacts.best(2), None, "the older hearsay made room");
    contacts.own(3, 5, 2);
    contacts.own(3, 6, 2);
    assert_eq!(contacts.best(3), None);
    assert_eq!(contacts.hear(4, 7, 5, 6), Noted { full: true, ..Noted::default() });
    assert_eq!((contacts.best(7), contacts.len()), (None, 4));
    contacts.check();
}

#[test]
fn who_does_not_hold_a_group_any_longer_is_no_contact() {
    let mut contacts = Contacts::new(4);
    contacts.own(1, 0, 1);
    contacts.own(2, 0, 2);
    contacts.drop_member(&name(0), node(2));
    assert_eq!(contacts.best(0), Some(node(1)));
    contacts.drop_member(&name(0), node(1));
    assert_eq!(contacts.len(), 0);
    contacts.check();
    contacts.own(1, 0, 1);
    assert_eq!(contacts.remove(&name(0)), [node(1)]);
    contacts.check();
}

/// What a node tells of its own words changed: it is noted whatever else was noted before, and nothing else is.
#[test]
fn it_is_noted_when_the_groups_with_an_own_word_change() {
    type Step = fn(&mut Contacts);
    let first: Step = |contacts| _ = contacts.own(1, 0, 1);
    let rows: [(&str, &[Step], Step, bool); 9] = [
        ("the first own word", &[], first, true),
        ("hearsay", &[], |contacts| _ = contacts.hear(2, 0, 1, 9), false),
        ("another own word", &[first], |contacts| _ = contacts.own(2, 0, 2), false),
        ("hearsay beside an own word", &[first], |contacts| _ = contacts.hear(2, 0, 2, 9), false),
        ("a group with an own word goes", &[first], |contacts| drop(contacts.remove(&name(0))), true),
        (
            "one without goes",
            &[|contacts| _ = contacts.hear(1, 0, 1, 9)],
            |contacts| drop(contacts.remove(&name(0))),
            false,
        ),
        ("the only member goes", &[first], |contacts| contacts.drop_member(&name(0), node(1)), true),
        (
            "the own word goes, hearsay stays",
            &[first, |contacts| _ = contacts.hear(1, 0, 2, 9)],
            |contacts| contacts.drop_member(&name(0), node(1)),
            true,
        ),
        (
            "hearsay goes, the own word stays",
            &[first, |contacts| _ = contacts.hear(1, 0, 2, 9)],
            |contacts| contacts.drop_member(&name(0), node(2)),
            false,
        ),
    ];
    for (what, before, step, changes) in rows {
        for noted in [false, true] {
            let mut contacts = Contacts::new(10);
            before.iter().for_each(|step| step(&mut contacts));
            contacts.changed = noted;
            step(&mut contacts);
            assert_eq!(contacts.changed, noted || changes, "{what}");
            contacts.check();
        }
    }
}
