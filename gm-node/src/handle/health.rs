//! Problems that the node's events reported and that are not resolved, for its status.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gm_data::GroupName;

use crate::event::NodeEvent;

/// An address conflict counts as resolved this long after its last sign.
const CONFLICT_SHOWN_FOR: Duration = Duration::from_secs(600);
/// Maximum number of entries of each set.
const MAX_REMEMBERED: usize = 64;

/// Unresolved problems of a node.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// Error of the storage, while it fails.
    pub storage_error: Option<String>,
    /// Reason why the storage may lack writes that it reported as stored, found when it was opened.
    /// It remains until the end of the process.
    pub storage_doubt: Option<String>,
    /// Groups in which such writes were missing.
    pub incomplete_groups: BTreeSet<GroupName>,
    /// Groups in which a limit is reached, each with the field of
    /// [`NodeLimits`](crate::NodeLimits).
    pub limited_groups: BTreeSet<(GroupName, &'static str)>,
    /// Number of items that were lost because their member was forgotten by a node that had not
    /// received them.
    pub forgotten_unseen: usize,
    /// Groups in which a record of this node with a version beyond the horizon appeared.
    pub beyond_horizon: BTreeSet<GroupName>,
    last_address_conflict: Option<Instant>,
}

impl Health {
    /// Whether another node used this node's address within the last ten minutes.
    #[must_use]
    pub fn has_address_conflict(&self) -> bool {
        self.last_address_conflict.is_some_and(|at| at.elapsed() < CONFLICT_SHOWN_FOR)
    }

    pub(super) fn observe(&mut self, event: &NodeEvent) {
        match event {
            NodeEvent::StoreFailed { why } => self.storage_error = Some(why.clone()),
            NodeEvent::StoreRecovered => self.storage_error = None,
            NodeEvent::StoreLossSuspected { why, .. } => self.storage_doubt = Some(why.clone()),
            NodeEvent::StoreLossConfirmed { group, .. } if self.incomplete_groups.len() < MAX_REMEMBERED => {
                self.incomplete_groups.insert(group.clone());
            }
            NodeEvent::DuplicateAddress => self.last_address_conflict = Some(Instant::now()),
            NodeEvent::LimitReached { group, limit } if self.limited_groups.len() < MAX_REMEMBERED => {
                self.limited_groups.insert((group.clone(), limit));
            }
            NodeEvent::HorizonClaimEvicted { group, .. } if self.beyond_horizon.len() < MAX_REMEMBERED => {
                self.beyond_horizon.insert(group.clone());
            }
            NodeEvent::LostByForget { items, .. } => {
                self.forgotten_unseen = self.forgotten_unseen.saturating_add(*items);
            }
            _ => {}
        }
    }
}
