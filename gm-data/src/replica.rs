//! [`Replica`], the hosted state of a group together with the right to write one member's record in
//! it: the node writes its own record and refutes foreign ones. The caller passes in time and
//! random numbers.

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

/// Time and random numbers for an operation that may open a new incarnation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct WriteContext {
    /// Wall-clock time in seconds since 1970. Used only as a hint: it makes the number of a new
    /// incarnation greater than the previous one if a disk was lost.
    pub unix_seconds: u64,
    /// 16 random bits, which distinguish two starts within one second.
    pub entropy: u16,
    /// Time in milliseconds of any monotonic clock. Refutations are counted per minute of it.
    pub millis: u64,
}

/// The state of a group as one node hosts it, with the incarnation of the node's own record.
#[derive(Clone, Debug)]
pub struct Replica {
    me: NetId,
    default_port: Option<u16>,
    view: View,
    /// Whether the present incarnation was opened by this process. If not, the first write opens a
    /// new one.
    pub(crate) began_incarnation: bool,
    /// The highest incarnation of this node that is known from disk or from peers.
    pub(crate) highest_incarnation: Incarnation,
    conflict: IdentityConflict,
    /// Recent evictions, by peers and by this node.
    evictions: Evictions,
    /// Number of times this node reset its record to an incarnation below a foreign one.
    resets: u64,
}

impl Replica {
    /// Creates an empty replica, as for a node that is new in the group or lost its disk.
    pub fn new(me: NetId, name: GroupName) -> Replica {
        Replica::restore(me, GroupState::new(name))
    }

    /// Creates the replica of a node that starts from a stored state. Its first write opens a new
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

    /// Sets the default port of ranges that are served without a port; 0 means none.
    #[must_use]
    pub const fn with_default_port(mut self, port: u16) -> Replica {
        self.default_port = if port == 0 { None } else { Some(port) };
        self
    }

    /// The node that hosts the replica and writes its own record.
    pub const fn me(&self) -> NetId {
        self.me
    }

    /// The state of the group as far as this node knows it.
    pub fn state(&self) -> &GroupState {
        &self.view
    }

    /// The state with its indexes, for queries. Cheap to clone for readers, see [`View`].
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The state for changes, which also update indexes and fingerprint.
    const fn state_mut(&mut self) -> &mut GroupState {
        self.view.state_mut()
    }

    /// The node's own record; `None` before its first write.
    pub fn own_record(&self) -> Option<&Record> {
        self.view.record(self.me)
    }

    /// Whether this node is a member of the group, which means that it has a live item.
    pub fn is_member(&self) -> bool {
        self.own_record().is_some_and(Record::is_member)
    }

    /// Whether the replica is as new, apart from remembered evictions: no record, foreign
    /// incarnation or default port is known.
    pub(crate) fn is_empty(&self) -> bool {
        self.view.records().len() == 0
            && self.default_port.is_none()
            && self.highest_incarnation == Incarnation::ORIGINAL
            && self.conflict == IdentityConflict::new()
            && self.resets == 0
    }

    /// State of the detection of identity conflicts: recent refutations, and whether writing is
    /// paused.
    pub const fn conflict(&self) -> &IdentityConflict {
        &self.conflict
    }

    /// Drops the removals that the policy does not keep, of every member. Returns their number.
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
