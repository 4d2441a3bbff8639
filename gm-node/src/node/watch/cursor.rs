//! How far a watcher was told, and what comes next: the difference of two states, whole or in
//! parts. Knows nothing of who watches.

use gm_data::{EventCursor, GroupName, GroupState};

/// How far a watcher was told. It is taken from a [`DifferencePart`] and handed back with
/// [`Command::AdvanceWatch`](crate::Command::AdvanceWatch).
///
/// It shares its states with the group, so it costs what changed since; the node counts that, see
/// [`NodeLimits::watch_bytes`](crate::NodeLimits).
#[derive(Clone)]
pub struct Cursor {
    /// What the watcher knows.
    known: GroupState,
    /// The state to which it is being told the difference, and how far.
    target: Option<(GroupState, EventCursor)>,
    /// What had changed in the group before the older of the two, in bytes; nothing if neither
    /// holds anything.
    mark: Option<u64>,
    /// What had changed in the group before the newer of the two.
    target_mark: u64,
}

/// A part of a difference: what changed, in order, and the cursor behind it.
#[derive(Clone, Debug)]
pub struct DifferencePart {
    /// What changed; nothing if it cannot be told any more, so that the watcher has to look at the
    /// group anew.
    pub events: Option<Vec<gm_data::GroupEvent>>,
    /// Whether the difference ends here. If not, the next part goes on with the same difference.
    pub is_last: bool,
    /// What the watcher has taken in once it has these events.
    pub cursor: Cursor,
}

/// What a watcher was not told yet.
#[derive(Clone, Debug)]
pub struct Difference {
    /// How far it was told; nothing if that was given up.
    pub(super) from: Option<Cursor>,
    /// The state of the group.
    pub(super) now: GroupState,
    /// What had changed in the group before it, in bytes.
    pub(super) replaced_bytes: u64,
}

impl Cursor {
    /// Of a watcher that was told nothing yet.
    pub(super) const fn new(nothing: GroupState) -> Cursor {
        Cursor { known: nothing, target: None, mark: None, target_mark: 0 }
    }

    /// Of one that knows that state.
    pub(super) const fn at(state: GroupState, spent: u64) -> Cursor {
        Cursor { known: state, target: None, mark: Some(spent), target_mark: spent }
    }

    /// The group of its states.
    pub(super) const fn group(&self) -> &GroupName {
        self.known.name()
    }

    /// Since which mark it keeps what was replaced; nothing if it keeps nothing.
    pub(super) const fn mark(&self) -> Option<u64> {
        self.mark
    }

    /// Whether a group in which so much was replaced may hold something that was not told.
    pub(super) const fn is_behind(&self, spent: u64) -> bool {
        self.target.is_some() || self.mark.is_none() || self.target_mark < spent
    }
}

impl Difference {
    /// About `most` of the events; with `usize::MAX` all of them. Costs what changed, so it is not
    /// for the node's own task.
    #[must_use]
    pub fn part(self, max: usize) -> DifferencePart {
        let Difference { from, now, replaced_bytes: spent } = self;
        let Some(Cursor { known: knows, target: goal, mark, target_mark: reached }) = from else {
            return DifferencePart { events: None, is_last: true, cursor: Cursor::at(now, spent) };
        };
        let (state, told, reached) = match goal {
            Some((state, told)) => (state, Some(told), reached),
            None => (now, None, spent),
        };
        let (events, told) = state.events_from(&knows, told, max);
        let cursor = match told {
            None => Cursor::at(state, reached),
            Some(told) => Cursor {
                known: knows,
                target: Some((state, told)),
                mark: mark.or(Some(reached)),
                target_mark: reached,
            },
        };
        DifferencePart { events: Some(events), is_last: told.is_none(), cursor }
    }

    /// Nothing of it: the watcher looks at the group anew, and is told what comes.
    #[must_use]
    pub fn skip(self) -> DifferencePart {
        Difference { from: None, ..self }.part(0)
    }
}

impl std::fmt::Debug for Cursor {
    /// Without the states.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("group", self.known.name())
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}
