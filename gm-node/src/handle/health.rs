//! What the node told that still holds: for whoever asks how it stands. Knows nothing of tasks.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gm_data::GroupName;

use crate::event::NodeEvent;

/// So long after the last sign of it a clash is taken to be over.
const CONFLICT_SHOWN_FOR: Duration = Duration::from_secs(600);
/// Bounds that are remembered, at most.
const MAX_REMEMBERED: usize = 64;

/// What the node told that still holds.
#[derive(Clone, Debug, Default)]
pub struct Health {
    /// What the storage said, if it does not take what it is given.
    pub storage_error: Option<String>,
    /// Why the storage may lack what it reported as kept, as it was opened. It stays, for what is
    /// lost is lost.
    pub storage_doubt: Option<String>,
    /// Groups in which it did.
    pub incomplete_groups: BTreeSet<GroupName>,
    /// Groups from which a bound keeps something out, each with the field of
    /// [`NodeLimits`](crate::NodeLimits).
    pub limited_groups: BTreeSet<(GroupName, &'static str)>,
    /// Items that were lost because whoever forgot their member had not seen them.
    pub forgotten_unseen: usize,
    /// Groups in which somebody claimed of us a life beyond all that honest writers reach.
    pub beyond_horizon: BTreeSet<GroupName>,
    last_address_conflict: Option<Instant>,
}

impl Health {
    /// Whether another node used our address within the last ten minutes.
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
            NodeEvent::LimitReached { group, limit: bound } if self.limited_groups.len() < MAX_REMEMBERED => {
                self.limited_groups.insert((group.clone(), bound));
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
