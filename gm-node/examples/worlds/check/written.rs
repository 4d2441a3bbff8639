//! What is held of a member is something that its owner had, or that it is forgotten; it never goes back, and never vanishes. Keeps who held what.
//! Knows nothing of how it came there.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use gm_clock::NetId;
use gm_data::{GroupState, Record, Version, VersionDigest};
use gm_sim::{Checker, NodeIndex, Seen, Violation, Where};

use crate::book::{Asked, Shared};
use crate::ground::Whole;

/// Looks at every state of every node.
#[derive(Debug)]
pub(crate) struct Written {
    book: Shared,
    /// What each node held when it was looked at last.
    states: BTreeMap<(NodeIndex, usize), GroupState>,
    /// All that owners ever had: a version and its digests.
    had: BTreeSet<(usize, NetId, Version, u64)>,
    /// What each owner had when it was looked at last.
    own: BTreeMap<(NodeIndex, usize), VersionDigest>,
    /// The highest that each node ever held of a member.
    held: BTreeMap<(usize, NetId), BTreeMap<NodeIndex, Version>>,
}

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
            own: BTreeMap::new(),
            held: BTreeMap::new(),
        }))
    }

    /// Who ever held that version of a member, or a higher one.
    pub(crate) fn holders(&self, group: usize, member: NetId, version: Version) -> Vec<NodeIndex> {
        let held = self.held.get(&(group, member)).into_iter().flatten();
        held.filter(|(_, held)| **held >= version).map(|(node, _)| *node).collect()
    }

    fn look(&mut self, place: Where, group: usize, machine: &Whole) -> Result<(), String> {
        let node = place.node;
        let name = self.book.borrow().plan.groups[group].clone();
        let me = machine.me();
        if let Some(stamp) = machine.own_record(&name).map(Record::version_digest)
            && self.own.insert((node, group), stamp) != Some(stamp)
        {
            self.had.insert((group, me, stamp.version, stamp.digest));
        }
        let Some(view) = machine.view(&name) else {
            self.states.remove(&(node, group));
            return Ok(());
        };
        let before = self.states.get(&(node, group));
        if before.is_some_and(|before| before.fingerprint() == view.fingerprint()) {
            return Ok(());
        }
        let state: GroupState = (**view).clone();
        let before = before.cloned().unwrap_or_else(|| GroupState::new(name));
        let mut result = Ok(());
        state.each_changed_record(&before, |old, new| {
            if result.is_ok() {
                result = match (old, new) {
                    (old, Some(record)) => self.one(node, group, old, record),
                    (Some(lost), None) => Err(format!("{node} holds {} no longer", lost.member())),
                    (None, None) => Ok(()),
                };
            }
        });
        self.states.insert((node, group), state);
        result
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
        let held = self.held.entry((group, member)).or_default().entry(node).or_insert(version);
        *held = version.max(*held);
        if version.forgotten {
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
        if book.formers.contains(&(node, member)) || book.moved.get(&member) == Some(&node) || hasty {
            self.had.insert(key);
        }
        if !self.had.contains(&key) {
            return Err(format!("{node} holds {member} as {version:?}, which it never was: {record:?}"));
        }
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
            self.own.retain(|(node, _), _| *node != place.node);
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
