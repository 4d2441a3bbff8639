//! Telling what was written: to the members whom it concerns, and whoever hears the multicast. Knows nothing of how it was written and stored.

use std::collections::BTreeSet;
use std::time::Duration;

use gm_broadcast::{Broadcasting, Targets, Time, Wanted};
use gm_clock::NetId;
use gm_codec::{Body, Group, Part};
use gm_data::{GroupName, KeyRange, Record, Replica, Version, View};

use super::Node;
use super::draft::Answer;
use super::wait::Waiter;
use crate::store::Store;

/// Ranges for which is looked up one by one whom they concern; of more, everybody is told.
const RANGES: usize = 256;
/// So long after its start a node leaves to multicast and anti-entropy what nobody waits for, where it hears multicast.
const COLD: Duration = Duration::from_secs(2);

impl<S: Store> Node<S> {
    /// Tells whom it concerns what was written.
    pub(super) fn tell(&mut self, now: Time, group: &GroupName, says: Says<'_>, answers: Vec<Answer>) {
        let Says { before, own, former, changed } = says;
        let known = before.map(Record::version);
        let ranges = if changed {
            let mut ranges = changed_ranges(before, own);
            ranges.extend(former.iter().flat_map(Record::timed_items).map(|timed| timed.item.range()));
            ranges
        } else {
            own.items().map(|item| item.range()).collect()
        };
        let mut to = self.concerned(group, &ranges);
        if answers.is_empty() && now.since(self.born) < COLD {
            // Nobody can have confirmed yet that it hears us. Where thousands start at once, asking each of them would be the square of that.
            to.retain(|node| !self.caster.is_near(*node));
        }
        let new = self.is_new_in(now, group);
        if changed && let Some(held) = self.groups_mut().held.get_mut(group) {
            held.told = new.then(|| to.iter().copied().collect());
        }
        let whole = |own: &Record| parts(Part::Record(own.clone()), former.as_ref());
        let part = known.and_then(|known| own.increment_since(known)).map(Part::Increment);
        let body = match part {
            Some(part) if changed => parts(part, former.as_ref()),
            _ => whole(own),
        };
        let body = Body::Group(Group { name: group.clone(), parts: body });
        let instead = Body::Group(Group { name: group.clone(), parts: whole(own) });
        let topic = Some(self.topic(group));
        self.broadcast(now, group, Telling { body, instead: Some(instead), topic, to }, answers);
    }

    /// Broadcasts, and waits for what the answers wait for.
    pub(super) fn broadcast(&mut self, now: Time, group: &GroupName, telling: Telling, answers: Vec<Answer>) {
        let Telling { body, instead, topic, to } = telling;
        self.next_tag += 1;
        let tag = self.next_tag;
        let within = answers.iter().map(|answer| answer.wait.within).max();
        let durable = answers.iter().any(|answer| answer.wait.disk);
        let receipts = within.map(|within| Wanted { within, durable });
        let targets = to.len() as u64;
        let waiter = Waiter::new(now, group.clone(), targets, answers, self.knows_all(group));
        if receipts.is_some() {
            self.waiters.insert(tag, waiter);
        }
        let broadcasting =
            Broadcasting { tag, body, to: Targets::Nodes(to), receipts, topic, instead, multicast: true };
        self.order(now, gm_broadcast::Command::Broadcast(broadcasting));
        if receipts.is_some() {
            self.look_at_wait(now, tag);
        }
    }

    /// The members that a change of those ranges concerns, without ourselves.
    pub(super) fn concerned(&self, group: &GroupName, ranges: &[KeyRange]) -> Vec<NetId> {
        let me = self.me();
        let Some(view) = self.groups().topology.group(group).map(Replica::view) else { return Vec::new() };
        let mut nodes: BTreeSet<NetId> = if ranges.len() > RANGES || ranges.contains(&KeyRange::WHOLE) {
            view.members().collect()
        } else {
            ranges.iter().flat_map(|range| View::concerned(view, *range)).collect()
        };
        nodes.remove(&me);
        nodes.into_iter().collect()
    }
}

/// What is told of a write.
pub(super) struct Says<'a> {
    pub(super) before: Option<&'a Record>,
    pub(super) own: &'a Record,
    pub(super) former: Option<Record>,
    pub(super) changed: bool,
}

/// A broadcast of a group.
pub(super) struct Telling {
    pub(super) body: Body,
    pub(super) instead: Option<Body>,
    pub(super) topic: Option<u64>,
    pub(super) to: Vec<NetId>,
}

/// Our part, and that of our former self, in the order of the members.
fn parts(own: Part, former: Option<&Record>) -> Vec<Part> {
    let mut parts: Vec<Part> = former.cloned().map(Part::Record).into_iter().chain([own]).collect();
    parts.sort_by_key(Part::member);
    parts
}

/// The ranges that were written between two records, each once.
fn changed_ranges(before: Option<&Record>, after: &Record) -> Vec<KeyRange> {
    let known = before.map(Record::version).filter(|version| !version.gone);
    let since: Option<Version> = known.filter(|known| known.clock >= after.floor());
    let increment = since.and_then(|since| after.increment_since(since));
    match increment {
        Some(increment) => increment.items().map(|timed| timed.item.range()).collect(),
        None => {
            let old = before.into_iter().flat_map(Record::timed_items);
            let mut ranges: Vec<_> = old.chain(after.timed_items()).map(|timed| timed.item.range()).collect();
            ranges.sort_unstable();
            ranges.dedup();
            ranges
        }
    }
}
