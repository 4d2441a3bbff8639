//! Position of a watcher, and the difference from it to the current state, whole or in parts.

use gm_data::{EventCursor, GroupName, GroupState};

/// Position of a watcher. It is returned in a [`DifferencePart`] and handed back with
/// [`NodeCommand::AdvanceWatch`](crate::NodeCommand::AdvanceWatch).
///
/// It shares its states with the group, so it retains only what changed since; the node limits
/// that, see [`NodeLimits::watch_bytes`](crate::NodeLimits).
#[derive(Clone)]
pub struct Cursor {
    /// The state that the watcher has applied.
    known: GroupState,
    /// The state to which a difference is being read in parts, and the position in it.
    target: Option<(GroupState, EventCursor)>,
    /// Bytes replaced in the group before the older of the two states; `None` if that state is
    /// empty and retains nothing.
    mark: Option<u64>,
    /// Bytes replaced in the group before the newer of the two states.
    target_mark: u64,
}

/// A part of a difference: events in order, and the cursor after them.
#[derive(Clone, Debug)]
pub struct DifferencePart {
    /// The events; `None` after a reset: the watcher must read the group again.
    pub events: Option<Vec<gm_data::GroupEvent>>,
    /// Whether the difference ends here. If not, the next part continues it.
    pub is_last: bool,
    /// The position after these events.
    pub cursor: Cursor,
}

/// The changes that a watcher has not read yet.
#[derive(Clone, Debug)]
pub struct Difference {
    /// Position of the watcher; `None` after a reset.
    pub(super) from: Option<Cursor>,
    /// The current state of the group.
    pub(super) now: GroupState,
    /// Bytes replaced in the group before it.
    pub(super) replaced_bytes: u64,
}

impl Cursor {
    /// The cursor of a new watcher.
    pub(super) const fn new(empty: GroupState) -> Cursor {
        Cursor { known: empty, target: None, mark: None, target_mark: 0 }
    }

    /// The cursor of a watcher that has applied a state.
    pub(super) const fn at(state: GroupState, replaced_bytes: u64) -> Cursor {
        Cursor { known: state, target: None, mark: Some(replaced_bytes), target_mark: replaced_bytes }
    }

    /// The group of its states.
    pub(super) const fn group(&self) -> &GroupName {
        self.known.name()
    }

    /// The mark since which it retains replaced bytes; `None` if it retains nothing.
    pub(super) const fn mark(&self) -> Option<u64> {
        self.mark
    }

    /// Whether a group with this number of replaced bytes may have changes that the watcher has not
    /// read.
    pub(super) const fn is_behind(&self, replaced_bytes: u64) -> bool {
        self.target.is_some() || self.mark.is_none() || self.target_mark < replaced_bytes
    }
}

impl Difference {
    /// About `max` of the events; all of them with `usize::MAX`. Takes time proportional to the
    /// changes, so it should not run in the node's task.
    #[must_use]
    pub fn part(self, max: usize) -> DifferencePart {
        let Difference { from, now, replaced_bytes } = self;
        let Some(Cursor { known, target, mark, target_mark }) = from else {
            return DifferencePart { events: None, is_last: true, cursor: Cursor::at(now, replaced_bytes) };
        };
        let (state, position, target_mark) = match target {
            Some((state, position)) => (state, Some(position), target_mark),
            None => (now, None, replaced_bytes),
        };
        let (events, position) = state.events_from(&known, position, max);
        let cursor = match position {
            None => Cursor::at(state, target_mark),
            Some(position) => Cursor {
                known,
                target: Some((state, position)),
                mark: mark.or(Some(target_mark)),
                target_mark,
            },
        };
        DifferencePart { events: Some(events), is_last: position.is_none(), cursor }
    }

    /// Skips the difference: the watcher reads the group again and continues from its current
    /// state.
    #[must_use]
    pub fn skip(self) -> DifferencePart {
        Difference { from: None, ..self }.part(0)
    }
}

impl std::fmt::Debug for Cursor {
    /// Omits the states.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cursor")
            .field("group", self.known.name())
            .field("mark", &self.mark)
            .finish_non_exhaustive()
    }
}
