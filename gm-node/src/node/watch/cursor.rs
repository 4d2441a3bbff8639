//! How far a watcher was told, and what comes next: the difference of two states, whole or in parts. Knows nothing of who watches.

use gm_data::{EventCursor, GroupName, GroupState};

/// How far a watcher was told. It is taken from a [`Part`] and handed back with [`Command::Took`](crate::Command::Took).
///
/// It shares its states with the group, so it costs what changed since; the node counts that, see [`Bounds::watch_bytes`](crate::Bounds).
#[derive(Clone)]
pub struct Cursor {
    /// What the watcher knows.
    knows: GroupState,
    /// The state to which it is being told the difference, and how far.
    goal: Option<(GroupState, EventCursor)>,
    /// What had changed in the group before the older of the two, in bytes; nothing if neither holds anything.
    mark: Option<u64>,
    /// What had changed in the group before the newer of the two.
    reached: u64,
}

/// A part of a difference: what changed, in order, and the cursor behind it.
#[derive(Clone, Debug)]
pub struct Part {
    /// What changed; nothing if it cannot be told any more, so that the watcher has to look at the group anew.
    pub events: Option<Vec<gm_data::Event>>,
    /// Whether the difference ends here. If not, the next part goes on with the same difference.
    pub is_whole: bool,
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
    pub(super) spent: u64,
}

impl Cursor {
    /// Of a watcher that was told nothing yet.
    pub(super) const fn new(nothing: GroupState) -> Cursor {
        Cursor { knows: nothing, goal: None, mark: None, reached: 0 }
    }

    /// Of one that knows that state.
    pub(super) const fn at(state: GroupState, spent: u64) -> Cursor {
        Cursor { knows: state, goal: None, mark: Some(spent), reached: spent }
    }

    /// The group of its states.
    pub(super) const fn group(&self) -> &GroupName {
        self.knows.name()
    }

    /// Since which mark it keeps what was replaced; nothing if it keeps nothing.
    pub(super) const fn mark(&self) -> Option<u64> {
        self.mark
    }

    /// Whether a group in which so much was replaced may hold something that was not told.
    pub(super) const fn is_behind(&self, spent: u64) -> bool {
        self.goal.is_some() || self.mark.is_none() || self.reached < spent
    }
}

impl Difference {
    /// About `most` of the events; with `usize::MAX` all of them. Costs what changed, so it is not for the node's own task.
    #[must_use]
    pub fn part(self, most: usize) -> Part {
        let Difference { from, now, spent } = self;
        let Some(Cursor { knows, goal, mark, reached }) = from else {
            return Part { events: None, is_whole: true, cursor: Cursor::at(now, spent) };
        };
        let (state, told, reached) = match goal {
            Some((state, told)) => (state, Some(told), reached),
            None => (now, None, spent),
        };
        let (events, told) = state.events_from(&knows, told, most);
        let cursor = match told {
            None => Cursor::at(state, reached),
            Some(told) => Cursor { knows, goal: Some((state, told)), mark: mark.or(Some(reached)), reached },
        };
        Part { events: Some(events), is_whole: told.is_none(), cursor }
    }

    /// Nothing of it: the watcher looks at the group anew, and is told what comes.
    #[must_use]
    pub fn skipped(self) -> Part {
        Difference { from: None, ..self }.part(0)
    }
}

impl std::fmt::Debug for Cursor {
    /// Without the states.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("group", self.knows.name())
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}
