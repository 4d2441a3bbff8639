//! What is held of a member is something that its owner had, or that it is forgotten; it never goes back, and never vanishes. Keeps who held what.
//! Knows nothing of how it came there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{Message, Record, Version};
use gm_sim::{Checker, NodeIndex, Seen, Violation, Where};

use crate::book::{Asked, Shared};
use crate::ground::Whole;

/// Looks at every state of every node.
#[derive(Debug)]
pub(crate) struct Written {
    book: Shared,
    /// What each node held when it was looked at last.
    states: BTreeMap<(NodeIndex, usize), Message>,
    /// All that owners ever had: a version and its digests.
    had: BTreeSet<(usize, NetId, Version, u64)>,
    /// The highest that each node ever held of a member.
    held: BTreeMap<(usize, NetId), BTreeMap<NodeIndex, Version>>,
    /// Where there are many nodes, when the state of each may be looked at again.
    next: BTreeMap<(NodeIndex, usize), Time>,
    /// Whether there are.
    many: bool,
}

/// From so many nodes on not every state is looked at, but one in [`PAUSE`] of each.
const MANY: u32 = 100;
const PAUSE: Duration = Duration::from_millis(100);

impl Written {
    /// Of that book.
    pub(crate) fn shared(book: &Shared) -> Rc<RefCell<Written>> {
        Rc::new(RefCell::new(Written {
            book: Shared::clone(book),
            states: BTreeMap::new(),
            had: book
                .borrow()
                .plan
                .preloaded
                .iter()
                .map(|(_, record)| (0, record.member(), record.version(), record.digest()))
                .collect(),
            held: BTreeMap::new(),
            next: BTreeMap::new(),
            many: book.borrow().plan.nodes >= MANY,
        }))
    }

    /// Who ever held that version of a member, or a higher one.
    pub(crate) fn holders(&self, group: usize, member: NetId, version: Version) -> Vec<NodeIndex> {
        let held = self.held.get(&(group, member)).into_iter().flatten();
        held.filter(|(_, held)| **held >= version).map(|(node, _)| *node).collect()
    }

    /// Whether a node holds a group.
    pub(crate) fn holds(&self, node: NodeIndex, group: usize) -> bool {
        self.states.contains_key(&(node, group))
    }

    /// Whether every state was looked at, so that nobody held what is not known here.
    pub(crate) const fn is_complete(&self) -> bool {
        !self.many
    }

    fn look(&mut self, place: Where, group: usize, machine: &Whole) -> Result<(), String> {
        let node = place.node;
        let name = self.book.borrow().plan.groups[group].clone();
        let me = machine.me();
        if let Some(own) = machine.own(&name) {
            self.had.insert((group, me, own.version(), own.digest()));
        }
        let Some(view) = machine.view(&name) else {
            self.states.remove(&(node, group));
            return Ok(());
        };
        let before = self.states.get(&(node, group));
        if before.is_some_and(|before| before.fingerprint() == view.fingerprint()) {
            return Ok(());
        }
        // Whoever moved writes for its former self, too.
        let moved = self.book.borrow().moved.values().any(|place| *place == node);
        if self.many && !moved {
            let next = self.next.entry((node, group)).or_default();
            if *next > place.at {
                return Ok(());
            }
            *next = place.at + PAUSE;
        }
        let state: &Message = view;
        let (state, before) = (state.clone(), before.cloned());
        for record in state.records() {
            let old = before.as_ref().and_then(|before| before.record(record.member()));
            if old.is_none_or(|old| old.stamp() != record.stamp()) {
                self.one(node, group, old, record)?;
            }
        }
        let kept = |record: &Record| state.record(record.member()).is_some();
        if let Some(lost) = before.iter().flat_map(Message::records).find(|record| !kept(record)) {
            return Err(format!("{node} holds {} no longer", lost.member()));
        }
        self.states.insert((node, group), state);
        Ok(())
    }

    fn one(
        &mut self,
        node: NodeIndex,
        group: usize,
        old: Option<&Record>,
        record: &Record,
    ) -> Result<(), String> {
        let (member, version) = (record.member(), record.version());
        if let Some(old) = old.filter(|old| old.version() > version) {
            return Err(format!("{node} had {member} as {:?}, and has {version:?}", old.version()));
        }
        let book = self.book.borrow();
        if version.gone {
            let forgets =
                |asked: &Asked| matches!(asked, Asked::Forget(of) if book.identity[of.0 as usize] == member);
            if !book.asks.values().any(|ask| ask.group == group && forgets(&ask.what)) {
                return Err(format!("{node} holds {member} as forgotten, and nobody forgot it"));
            }
            return Ok(());
        }
        let key = (group, member, version, record.digest());
        // Who has no disk may write twice at one time; in between nobody looks.
        let hasty = book.plan.diskless.iter().any(|place| book.identity[place.0 as usize] == member);
        if book.moved.get(&member) == Some(&node) || hasty {
            self.had.insert(key);
        }
        if !self.had.contains(&key) {
            return Err(format!("{node} holds {member} as {version:?}, which it never was: {record:?}"));
        }
        let held = self.held.entry((group, member)).or_default().entry(node).or_insert(version);
        *held = version.max(*held);
        Ok(())
    }
}

impl Checker<Whole> for Written {
    fn name(&self) -> &'static str {
        "written"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Whole>) -> Result<(), Violation> {
        if let Seen::Ended = seen {
            self.states.retain(|(node, _), _| *node != place.node);
        }
        Ok(())
    }

    fn settled(&mut self, place: Where, machine: &Whole) -> Result<(), Violation> {
        let groups = self.book.borrow().plan.groups.len();
        for group in 0..groups {
            self.look(place, group, machine).map_err(|what| Violation::safety("written", place.at, what))?;
        }
        Ok(())
    }
}
