//! What a node holds of one group, and what it does with its own record there: it writes it, and defends it. Chance and
//! time are handed in; nothing here knows of disks and networks.

mod conflict;
mod draft;
mod evict;
mod hear;
mod life;
mod write;

use gm_clock::{Incarnation, NetId};

use crate::eviction::Evictions;
use crate::{ForgetError, GroupName, Message, PurgePolicy, Record, Version, View};

pub use conflict::Conflict;
pub use hear::{Heard, OwnOutcome, Standing};
pub use write::Write;

/// What an operation that may begin a new life is handed: two clocks and some chance. Nothing here reads them itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Moment {
    /// Wall-clock time, in seconds since 1970. Only a hint: it makes a later life's number greater where a disk was lost.
    pub unix_seconds: u64,
    /// 16 bits of chance, which keep two starts in one second apart.
    pub chance: u16,
    /// Any clock that does not run back, in milliseconds: re-assertions are counted by the minute.
    pub millis: u64,
}

/// What a node holds of one group: the state, and the life of its own record.
#[derive(Clone, Debug)]
pub struct Replica {
    me: NetId,
    default_port: Option<u16>,
    view: View,
    /// Whether the present incarnation is of this process: if not, the first write begins a new one.
    pub(crate) alive: bool,
    /// The highest incarnation of this node on disk or heard of.
    pub(crate) highest: Incarnation,
    conflict: Conflict,
    /// What others and this node had evicted of late.
    evictions: Evictions,
    /// How often this node came back below what was heard of it.
    returns: u64,
}

impl Replica {
    /// The replica of a node that knows nothing of the group, as after losing its disk.
    pub fn new(me: NetId, name: GroupName) -> Replica {
        Replica::restore(me, Message::new(name))
    }

    /// The replica of a node that starts with what it had stored. Its first write opens a new incarnation.
    pub fn restore(me: NetId, state: Message) -> Replica {
        Replica {
            me,
            default_port: None,
            view: View::new(state),
            alive: false,
            highest: Incarnation::ORIGINAL,
            conflict: Conflict::new(),
            evictions: Evictions::new(),
            returns: 0,
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
    pub fn state(&self) -> &Message {
        &self.view
    }

    /// The state with its index, for queries. Cheap to clone for readers, see [`View`].
    pub const fn view(&self) -> &View {
        &self.view
    }

    /// The state, to be changed: index and fingerprint follow.
    const fn state_mut(&mut self) -> &mut Message {
        self.view.message_mut()
    }

    /// One's own record; `None` before the first write.
    pub fn own(&self) -> Option<&Record> {
        self.view.record(self.me)
    }

    /// Whether this node belongs to the group: it has a live item.
    pub fn is_member(&self) -> bool {
        self.own().is_some_and(Record::is_member)
    }

    /// Whether it is as it was made, but for what is refused: nothing is known, heard of or set.
    pub(crate) fn is_blank(&self) -> bool {
        self.view.records().len() == 0
            && self.default_port.is_none()
            && self.highest == Incarnation::ORIGINAL
            && self.conflict == Conflict::new()
            && self.returns == 0
    }

    /// How often this node had to defend its record, and whether it has given up for now.
    pub const fn conflict(&self) -> &Conflict {
        &self.conflict
    }

    /// Drops the removals that the policy does not keep, of every member, and says how many went.
    pub fn purge(&mut self, policy: PurgePolicy) -> usize {
        self.state_mut().purge(policy)
    }

    /// Forgets another member, see [`Message::forget`].
    ///
    /// # Errors
    /// A [`ForgetError`]; [`ForgetError::Oneself`] for this node.
    pub fn forget(&mut self, member: NetId) -> Result<Version, ForgetError> {
        if member == self.me {
            return Err(ForgetError::Oneself { member });
        }
        self.state_mut().forget(member)
    }
}
