//! Changes that a caller makes to its own record, and the planning of a batch of them into item
//! contents. Planning writes nothing; `replica/write.rs` does.

use alloc::collections::BTreeMap;

use gm_clock::NetId;
use thiserror::Error;

use crate::item::DEFAULT_PRIORITY;
use crate::packed_item::{ItemContent, range_key};
use crate::{Item, KeyRange, Op, Record};

/// A change of a member to its own record. A batch of changes is one write: other nodes see all
/// of it or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Serve the range, replacing an earlier item of the same range.
    Serve {
        /// The keys.
        range: KeyRange,
        /// The port of the service, 1 to 65535. `None` means the member's default port.
        port: Option<u16>,
        /// The priority, 1 to 65535; higher is preferred. Use [`DEFAULT_PRIORITY`] if there is no
        /// preference.
        priority: u16,
    },
    /// Stop serving the range and drop any interest in it. A member's last live item becomes an
    /// interest instead, because only leaving ends a membership.
    Unserve(KeyRange),
    /// Be interested in the range and do not serve it.
    Interest(KeyRange),
    /// Set the priority of a served range.
    Priority {
        /// The keys.
        range: KeyRange,
        /// The priority, 1 to 65535.
        priority: u16,
    },
    /// Increase the priority of a range. A range that is not served yet is served with the step as
    /// its priority.
    Raise {
        /// The keys.
        range: KeyRange,
        /// The step, 1 to 65535.
        by: u16,
        /// The port, used if the range is not served yet. `None` means the member's default port.
        port: Option<u16>,
    },
    /// Decrease the priority of a served range. At zero or below the range is no longer served.
    Lower {
        /// The keys.
        range: KeyRange,
        /// The step, 1 to 65535.
        by: u16,
    },
    /// Store the item. Its member must be the writer. A removal acts as `Unserve`.
    Put(Item),
}

/// Reason why a batch was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ChangeError {
    /// The batch has no changes.
    #[error("the batch is empty")]
    EmptyBatch,
    /// There is no live item of exactly that range, or none that is served.
    #[error(
        "no item for exactly {range}; ranges cannot be split, use the range that was served (see `topology`)"
    )]
    NotServed {
        /// The range of the change.
        range: KeyRange,
    },
    /// The change has no port and the member has no default port.
    #[error("no port for {range}: give one, or set the member's default port")]
    NoPort {
        /// The range of the change.
        range: KeyRange,
    },
    /// The port is 0, on which no service can listen.
    #[error("port 0 for {range}: ports are 1 to 65535")]
    PortZero {
        /// The range of the change.
        range: KeyRange,
    },
    /// The resulting priority would not be in 1..=65535, or the step is 0.
    #[error("the priority of {range} would be out of range, or the step is 0: priorities are 1 to 65535")]
    PriorityOutOfRange {
        /// The range of the change.
        range: KeyRange,
    },
    /// The range is the member's only live item, and is an interest already.
    #[error("{range} is the last interest of this member: leave the group to end the membership")]
    LastItem {
        /// The range of the change.
        range: KeyRange,
    },
    /// The item belongs to another member. Only a member itself writes its items.
    #[error("an item of {member} cannot be written by {writer}: only a member itself writes its items")]
    WriteForOther {
        /// The member that owns the item.
        member: NetId,
        /// The member that attempted the write.
        writer: NetId,
    },
    /// The node is not a member of the group.
    #[error("not a member of this group")]
    NotAMember,
    /// Another live node writes under the same identity.
    #[error(
        "another node writes as {member}: give one of the two another address; writing resumes by itself some time after the other node has stopped"
    )]
    IdentityConflict {
        /// The NetId that both nodes use.
        member: NetId,
    },
}

/// The item contents that a batch writes, sorted by range. Contains only differences to the present
/// record, so it is empty if the batch changes nothing.
pub(crate) type BatchContents = BTreeMap<KeyRange, ItemContent>;

pub(crate) const INTEREST: ItemContent = ItemContent { op: Op::Get, port: 0, priority: DEFAULT_PRIORITY };
pub(crate) const REMOVAL: ItemContent = ItemContent { op: Op::Rmv, port: 0, priority: DEFAULT_PRIORITY };

/// The writer of a batch and its present record.
#[derive(Clone, Copy)]
pub(crate) struct BatchPlanner<'a> {
    pub(crate) me: NetId,
    pub(crate) default_port: Option<u16>,
    pub(crate) record: Option<&'a Record>,
}

impl BatchPlanner<'_> {
    /// Plans the batch, change by change. The last change of a range determines its content.
    pub(crate) fn plan(&self, batch: &[Change]) -> Result<BatchContents, ChangeError> {
        if batch.is_empty() {
            return Err(ChangeError::EmptyBatch);
        }
        let mut contents = BatchContents::new();
        let mut last_unserved = None;
        for change in batch {
            let (range, content) = self.step(&contents, change)?;
            if content.op == Op::Rmv {
                last_unserved = Some(range);
            }
            contents.insert(range, content);
        }
        let was_member = self.record.is_some_and(Record::is_member);
        let kept_last = last_unserved.filter(|_| was_member && self.live_after(&contents) == 0);
        if let Some(range) = kept_last {
            contents.insert(range, INTEREST);
        }
        // An item that was never stored needs no removal.
        contents.retain(|&range, content| {
            self.stored(range).map_or(content.op != Op::Rmv, |stored| stored != *content)
        });
        if let (Some(range), true) = (kept_last, contents.is_empty()) {
            return Err(ChangeError::LastItem { range });
        }
        Ok(contents)
    }

    /// The range and content that one change leads to, after the changes before it.
    fn step(
        &self,
        contents: &BatchContents,
        change: &Change,
    ) -> Result<(KeyRange, ItemContent), ChangeError> {
        let live = |range| self.live(contents, range);
        let served = |range| live(range).filter(|content| content.op == Op::Add);
        Ok(match *change {
            Change::Serve { range, port, priority } => (range, self.serve(range, port, priority)?),
            Change::Unserve(range) => {
                live(range).ok_or(ChangeError::NotServed { range })?;
                (range, REMOVAL)
            }
            Change::Interest(range) => (range, INTEREST),
            Change::Priority { range, priority } => {
                let content = served(range).ok_or(ChangeError::NotServed { range })?;
                (range, self.serve(range, Some(content.port), priority)?)
            }
            Change::Raise { range, by: 0, .. } | Change::Lower { range, by: 0 } => {
                return Err(ChangeError::PriorityOutOfRange { range });
            }
            Change::Raise { range, by, port } => match served(range) {
                None => (range, self.serve(range, port, by)?),
                Some(content) => {
                    let raised = content.priority.checked_add(by);
                    let priority = raised.ok_or(ChangeError::PriorityOutOfRange { range })?;
                    (range, ItemContent { priority, ..content })
                }
            },
            Change::Lower { range, by } => {
                let content = served(range).ok_or(ChangeError::NotServed { range })?;
                match content.priority.saturating_sub(by) {
                    0 => (range, REMOVAL),
                    priority => (range, ItemContent { priority, ..content }),
                }
            }
            Change::Put(item) => self.put(contents, &item)?,
        })
    }

    fn put(&self, contents: &BatchContents, item: &Item) -> Result<(KeyRange, ItemContent), ChangeError> {
        if item.member() != self.me {
            return Err(ChangeError::WriteForOther { member: item.member(), writer: self.me });
        }
        let range = item.range();
        let change = match item.op() {
            Op::Add => Change::Serve { range, port: Some(item.port()), priority: item.priority() },
            Op::Get => Change::Interest(range),
            Op::Rmv => Change::Unserve(range),
        };
        self.step(contents, &change)
    }

    fn serve(&self, range: KeyRange, port: Option<u16>, priority: u16) -> Result<ItemContent, ChangeError> {
        let port = port.or(self.default_port).ok_or(ChangeError::NoPort { range })?;
        if port == 0 {
            return Err(ChangeError::PortZero { range });
        }
        if priority == 0 {
            return Err(ChangeError::PriorityOutOfRange { range });
        }
        Ok(ItemContent { op: Op::Add, port, priority })
    }

    /// The stored content of the range, which may be a kept removal.
    fn stored(&self, range: KeyRange) -> Option<ItemContent> {
        let packed = self.record?.items.get(range_key(range))?;
        Some(packed.content())
    }

    /// The live content of the range after the changes planned so far.
    fn live(&self, contents: &BatchContents, range: KeyRange) -> Option<ItemContent> {
        contents.get(&range).copied().or_else(|| self.stored(range)).filter(|content| content.op.is_live())
    }

    /// The number of live items after the batch.
    fn live_after(&self, contents: &BatchContents) -> usize {
        let before = self.record.map_or(0, |record| record.live_count);
        let is_live = |content: Option<ItemContent>| usize::from(content.is_some_and(|c| c.op.is_live()));
        let added: usize = contents.values().map(|content| is_live(Some(*content))).sum();
        let replaced: usize = contents.keys().map(|range| is_live(self.stored(*range))).sum();
        before + added - replaced
    }
}
