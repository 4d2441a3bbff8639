//! When all is well again, all who hold a group hold the same of it: what owners had acknowledged, and nothing of who was forgotten or moved away. Knows
//! nothing of how it came there.

use gm_data::{GroupState, Record};
use gm_sim::{Checker, NodeIndex, Seen, Violation, Where};

use crate::book::{Book, Shared};
use crate::ground::{Land, Whole};
use crate::owner::items_of;

/// Looks in the end.
#[derive(Debug)]
pub(crate) struct Equal {
    book: Shared,
}

impl Equal {
    /// Of that book.
    pub(crate) fn new(book: &Shared) -> Equal {
        Equal { book: Shared::clone(book) }
    }
}

/// What is not as it should be, and the checker that says so.
pub(crate) type Different = (&'static str, String);

/// What is not as it should be by now, if something is not.
pub(crate) fn different(world: &Land, book: &Book) -> Option<Different> {
    if book.plan.claims.unequal {
        return None;
    }
    (0..book.plan.groups.len())
        .find_map(|group| in_group(world, book, group))
        .or_else(|| answered(world, book))
}

fn in_group(world: &Land, book: &Book, group: usize) -> Option<Different> {
    let name = &book.plan.groups[group];
    let mut holders: Vec<(NodeIndex, &GroupState)> = Vec::new();
    for node in world.indices() {
        let Some(machine) = world.machine(node) else { continue };
        let own = machine.own_record(name);
        let owned = own.map(items_of).unwrap_or_default();
        let should = book.owners.get(&(node, group)).map(crate::owner::Owner::items).unwrap_or_default();
        if owned != should {
            return Some(("owners", format!("{node} says {owned:?} in {name:?}, and should {should:?}")));
        }
        let state = machine.view(name).map(|view| -> &GroupState { view });
        let status = machine.status(world.now(), name);
        match (state, status) {
            (Some(state), Some(status)) if !status.is_leaving => holders.push((node, state)),
            (None, _)
                if own.is_some_and(Record::is_member) || machine.hosted_groups().any(|held| held == name) =>
            {
                return Some(("fingerprints", format!("{node} holds {name:?}, and no state of it")));
            }
            _ => {}
        }
    }
    let (first, state) = holders.first()?;
    for (node, other) in &holders {
        if other.fingerprint() != state.fingerprint() {
            let what = differs(state, other);
            return Some((
                "fingerprints",
                format!("{first} and {node} hold other things of {name:?}: {what}"),
            ));
        }
    }
    for node in world.indices() {
        let Some(machine) = world.machine(node) else { continue };
        let held = state.record(book.identity[node.0 as usize]);
        let Some(own) = machine.own_record(name) else {
            if held.is_some_and(Record::is_member) {
                return Some((
                    "fingerprints",
                    format!("{node} says nothing in {name:?}, others hold {held:?}"),
                ));
            }
            continue;
        };
        let same = held.is_some_and(|held| held.version_digest() == own.version_digest());
        if !(same || !own.is_member() && held.is_none_or(|held| !held.is_member())) {
            let (held, own) = (held.map(Record::version_digest), own.version_digest());
            return Some(("fingerprints", format!("{node} says {own:?} in {name:?}, others hold {held:?}")));
        }
    }
    gone(world, book, group, state)
}

/// Who was forgotten when dead, and stayed so, is gone; and so is who lives elsewhere.
fn gone(world: &Land, book: &Book, group: usize, state: &GroupState) -> Option<Different> {
    for forgotten in book.forgotten.iter().filter(|forgotten| forgotten.group == group) {
        let place = forgotten.member.0 as usize;
        let stayed = forgotten.dead_after == Some(book.starts[place]);
        let held = state.record(book.identity[place]);
        if stayed
            && let Some(held) = held.filter(|held| held.is_member())
            && held.version().incarnation <= forgotten.version.incarnation
        {
            return Some(("forgotten", format!("{} is back: {held:?}", forgotten.member)));
        }
    }
    // Who posed as it has said something since, and nobody takes that back.
    for (former, place) in book.moved.iter().filter(|(former, _)| !book.posed.contains(former)) {
        let lives = world.find(*former).is_some_and(|node| world.machine(node).is_some());
        if !lives && world.machine(*place).is_some() && state.is_member(*former) {
            return Some(("moved", format!("{former} is {place} now, and still a member")));
        }
    }
    None
}

/// Whoever lives has answered what it was asked.
fn answered(world: &Land, book: &Book) -> Option<Different> {
    let open = book.asks.iter().find(|(_, ask)| !ask.answered && world.machine(ask.node).is_some())?;
    Some(("answered", format!("{} was not answered: {:?} {:?}", open.1.node, open.1.what, open.1.wait)))
}

fn differs(one: &GroupState, other: &GroupState) -> String {
    let members = one.records().chain(other.records()).map(Record::member);
    let mut different: Vec<String> = members
        .filter(|member| {
            one.record(*member).map(Record::version_digest)
                != other.record(*member).map(Record::version_digest)
        })
        .map(|member| {
            let stamp = |state: &GroupState| state.record(member).map(|record| record.version());
            format!("{member} {:?} {:?}", stamp(one), stamp(other))
        })
        .collect();
    different.sort();
    different.dedup();
    different.truncate(4);
    different.join(", ")
}

impl Checker<Whole> for Equal {
    fn name(&self) -> &'static str {
        "equal"
    }

    fn see(&mut self, _: Where, _: &Seen<'_, Whole>) -> Result<(), Violation> {
        Ok(())
    }

    fn at_end(&mut self, world: &Land) -> Result<(), Violation> {
        let book = self.book.borrow();
        match book.late.clone().or_else(|| different(world, &book)) {
            Some((checker, what)) => Err(Violation::liveness(checker, world.now(), what)),
            None => Ok(()),
        }
    }
}
