//! What a node holds of one group, and what it does with its own record there: it writes it, and
//! defends it. Chance and time are handed in; nothing here knows of disks and networks.

mod conflict;
mod draft;
mod evict;
mod incarnation;
mod merge;
mod write;

use gm_clock::{Incarnation, NetId};

use crate::eviction::Evictions;
use crate::{ForgetError, GroupName, GroupState, PurgePolicy, Record, Version, View};

pub use conflict::IdentityConflict;
pub use merge::{OwnRecordOutcome, PeerCopy, ReplicaMergeOutcome};
pub use write::WriteOutcome;

/// What an operation that may begin a new life is handed: two clocks and some chance. Nothing here
/// reads them itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WriteContext {
    /// Wall-clock time, in seconds since 1970. Only a hint: it makes a later life's number greater
    /// where a disk was lost.
    pub unix_seconds: u64,
    /// 16 bits of chance, which keep two starts in one second apart.
    pub entropy: u16,
    /// Any clock that does not run back, in milliseconds: re-assertions are counted by the minute.
    pub millis: u64,
}

/// What a node holds of one group: the state, and the life of its own record.
#[derive(Clone, Debug)]
pub struct Replica {
    me: NetId,
    default_port: Option<u16>,
    view: View,
    /// Whether the present incarnation is of this process: if not, the first write begins a new
    /// one.
    pub(crate) began_incarnation: bool,
    /// The highest incarnation of this node on disk or heard of.
    pub(crate) highest_incarnation: Incarnation,
    conflict: IdentityConflict,
    /// What others and this node had evicted of late.
    evictions: Evictions,
    /// How often this node came back below what was heard of it.
    resets: u64,
}

impl Replica {
    /// The replica of a node that knows nothing of the group, as after losing its disk.
    pub fn new(me: NetId, name: GroupName) -> Replica {
        Replica::restore(me, GroupState::new(name))
    }

    /// The replica of a node that starts with what it had stored. Its first write opens a new
    /// incarnation.
    pub fn restore(me: NetId, state: GroupState) -> Replica {
        Replica {
            me,
            default_port: None,
            view: View::new(state),
            began_incarnation: false,
            highest_incarnation: Incarnation::ORIGINAL,
            conflict: IdentityConflict::new(),
            evictions: Evictions::new(),
            resets: 0,
        }
    }

    /// The same with a port for ranges that are served without one; 0 counts as none.
    #[must_use]
    pub const fn with_default_port(mut self, port: u16) -> Replica {
        self.default_port = if port == 0 { None } else { Some(port) };
        self
    }

    /// Whose replica it is.
    pub const fn me(&self) -> NetId {
        self.me
    }

    /// The state of the group as it is known here.
    pub fn state(&self) -> &GroupState {
        &self.view
    }

    /// The state with its index, for queries. Cheap to clone for readers, see [`View`].
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The state, to be changed: index and fingerprint follow.
    const fn state_mut(&mut self) -> &mut GroupState {
        self.view.state_mut()
    }

    /// One's own record; `None` before the first write.
    pub fn own_record(&self) -> Option<&Record> {
        self.view.record(self.me)
    }

    /// Whether this node belongs to the group: it has a live item.
    pub fn is_member(&self) -> bool {
        self.own_record().is_some_and(Record::is_member)
    }

    /// Whether it is as it was made, but for what is refused: nothing is known, heard of or set.
    pub(crate) fn is_empty(&self) -> bool {
        self.view.records().len() == 0
            && self.default_port.is_none()
            && self.highest_incarnation == Incarnation::ORIGINAL
            && self.conflict == IdentityConflict::new()
            && self.resets == 0
    }

    /// How often this node had to defend its record, and whether it has given up for now.
    pub const fn conflict(&self) -> &IdentityConflict {
        &self.conflict
    }

    /// Drops the removals that the policy does not keep, of every member, and says how many went.
    pub fn purge(&mut self, policy: PurgePolicy) -> usize {
        self.state_mut().purge(policy)
    }

    /// Forgets another member, see [`GroupState::forget`].
    ///
    /// # Errors
    /// A [`ForgetError`]; [`ForgetError::ThisNode`] for this node.
    pub fn forget(&mut self, member: NetId) -> Result<Version, ForgetError> {
        if member == self.me {
            return Err(ForgetError::ThisNode { member });
        }
        self.state_mut().forget(member)
    }
}
