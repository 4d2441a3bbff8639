//! What a caller may ask of its own record, and what a batch of it would write. Pure: writes
//! nothing itself.

use alloc::collections::BTreeMap;

use gm_clock::NetId;
use thiserror::Error;

use crate::item::DEFAULT_PRIORITY;
use crate::packed_item::{ItemContent, range_key};
use crate::planted_bugs::{Bug, planted};
use crate::{Item, KeyRange, Op, Record};

/// One change that a member makes to what it says of itself. A batch of them is one write: others
/// see all of it or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Serve the range, whatever was said of it before.
    Serve {
        /// The keys.
        range: KeyRange,
        /// The port of the service, 1 to 65535; `None`: the member's default port.
        port: Option<u16>,
        /// 1 to 65535, more is preferred; [`DEFAULT_PRIORITY`] where there is nothing to choose.
        priority: u16,
    },
    /// Neither serve the range nor be interested in it any longer. The last live item becomes an
    /// interest instead: only leaving ends a membership.
    Unserve(KeyRange),
    /// Be interested in the range, and do not serve it.
    Interest(KeyRange),
    /// Give a range that is served another priority.
    Priority {
        /// The keys.
        range: KeyRange,
        /// 1 to 65535.
        priority: u16,
    },
    /// Add to the priority of a range. A range that is not served is served with that priority.
    Raise {
        /// The keys.
        range: KeyRange,
        /// By how much, 1 to 65535.
        by: u16,
        /// The port, if the range is not served yet; `None`: the member's default port.
        port: Option<u16>,
    },
    /// Take from the priority of a range that is served. At zero or below it is unserved.
    Lower {
        /// The keys.
        range: KeyRange,
        /// By how much, 1 to 65535.
        by: u16,
    },
    /// Say of the item's range what the item says. Its member must be the writer. A removal
    /// unserves.
    Put(Item),
}

/// Why a batch was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum ChangeError {
    /// A batch without changes.
    #[error("the batch is empty")]
    EmptyBatch,
    /// There is no item of that range to remove or to lower, or none that is served.
    #[error("{range} is not served here, exactly so: ranges are not cut, name the one that was served")]
    NotServed {
        /// The range that was named.
        range: KeyRange,
    },
    /// No port was given and the member has no default port.
    #[error("no port for {range}: give one, or set the member's default port")]
    NoPort {
        /// The range that was to be served.
        range: KeyRange,
    },
    /// Port 0 is nobody's service.
    #[error("port 0 for {range}: ports are 1 to 65535")]
    PortZero {
        /// The range that was to be served.
        range: KeyRange,
    },
    /// The priority would not be in 1..=65535, or the step is 0.
    #[error("the priority of {range} would be out of range, or the step is 0: priorities are 1 to 65535")]
    PriorityOutOfRange {
        /// The range whose priority it is.
        range: KeyRange,
    },
    /// The range is the last that the member says anything of, and it is an interest already.
    #[error("{range} is the last interest of this member: leave the group to end the membership")]
    LastItem {
        /// The range that was named.
        range: KeyRange,
    },
    /// Only a member itself writes about itself.
    #[error("an item of {member} cannot be written by {writer}: only a member itself writes about itself")]
    WriteForOther {
        /// Whose item it is.
        member: NetId,
        /// Who wanted to write it.
        writer: NetId,
    },
    /// The member does not belong to the group.
    #[error("not a member of this group")]
    NotAMember,
    /// Another live node writes under the same identity.
    #[error(
        "another node writes as {member}: give one of the two another address; writing goes on by itself a while after the other has stopped"
    )]
    IdentityConflict {
        /// The identity that both use.
        member: NetId,
    },
}

/// What a batch writes, sorted by range; only what differs from what stands there. Empty, if
/// nothing does.
pub(crate) type BatchContents = BTreeMap<KeyRange, ItemContent>;

pub(crate) const INTEREST: ItemContent = ItemContent { op: Op::Get, port: 0, priority: DEFAULT_PRIORITY };
pub(crate) const REMOVAL: ItemContent = ItemContent { op: Op::Rmv, port: 0, priority: DEFAULT_PRIORITY };

/// Who writes, and onto what.
#[derive(Clone, Copy)]
pub(crate) struct BatchPlanner<'a> {
    pub(crate) me: NetId,
    pub(crate) default_port: Option<u16>,
    pub(crate) record: Option<&'a Record>,
}

impl BatchPlanner<'_> {
    /// What the batch writes, change after change, the last word on a range counting.
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
        let kept_last = last_unserved
            .filter(|_| was_member && self.live_after(&contents) == 0 && !planted(Bug::LastItemLeaves));
        if let Some(range) = kept_last {
            contents.insert(range, INTEREST);
        }
        // What was never there needs no removal.
        contents.retain(|&range, content| {
            self.stored(range).map_or(content.op != Op::Rmv, |stored| stored != *content)
        });
        if let (Some(range), true) = (kept_last, contents.is_empty()) {
            return Err(ChangeError::LastItem { range });
        }
        Ok(contents)
    }

    /// What one change says of its range, after those before it.
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

    /// What stands on the range, a kept removal too.
    fn stored(&self, range: KeyRange) -> Option<ItemContent> {
        let packed = self.record?.items.get(range_key(range))?;
        Some(packed.content())
    }

    /// What is live on the range after what was written so far.
    fn live(&self, contents: &BatchContents, range: KeyRange) -> Option<ItemContent> {
        contents.get(&range).copied().or_else(|| self.stored(range)).filter(|content| content.op.is_live())
    }

    /// How many items are live once it is written.
    fn live_after(&self, contents: &BatchContents) -> usize {
        let before = self.record.map_or(0, |record| record.live_count);
        let is_live = |content: Option<ItemContent>| usize::from(content.is_some_and(|c| c.op.is_live()));
        let added: usize = contents.values().map(|content| is_live(Some(*content))).sum();
        let replaced: usize = contents.keys().map(|range| is_live(self.stored(*range))).sum();
        before + added - replaced
    }
}
