//! What the node told that still holds: for whoever asks how it stands. Knows nothing of tasks.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use gm_data::GroupName;

use crate::event::Event;

/// So long after the last sign of it a clash is taken to be over.
const CLASH: Duration = Duration::from_secs(600);
/// Bounds that are remembered, at most.
const FULL: usize = 64;

/// What the node told that still holds.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// What the storage said, if it does not take what it is given.
    pub storage: Option<String>,
    /// Why the storage may lack what it reported as kept, as it was opened. It stays, for what is lost is lost.
    pub doubt: Option<String>,
    /// Groups in which it did.
    pub lacked: BTreeSet<GroupName>,
    /// Groups from which a bound keeps something out, each with the field of [`NodeLimits`](crate::NodeLimits).
    pub full: BTreeSet<(GroupName, &'static str)>,
    /// Items that were lost because whoever forgot their member had not seen them.
    pub forgotten_unseen: usize,
    /// Groups in which somebody claimed of us a life beyond all that honest writers reach.
    pub returned: BTreeSet<GroupName>,
    clash: Option<Instant>,
}

impl Facts {
    /// Whether another node used our address within the last ten minutes.
    #[must_use]
    pub fn clash(&self) -> bool {
        self.clash.is_some_and(|at| at.elapsed() < CLASH)
    }

    pub(super) fn learn(&mut self, event: &Event) {
        match event {
            Event::StoreFailed { why } => self.storage = Some(why.clone()),
            Event::StoreRecovered => self.storage = None,
            Event::StoreLossSuspected { why, .. } => self.doubt = Some(why.clone()),
            Event::StoreLossConfirmed { group, .. } if self.lacked.len() < FULL => {
                self.lacked.insert(group.clone());
            }
            Event::DuplicateAddress => self.clash = Some(Instant::now()),
            Event::LimitReached { group, limit: bound } if self.full.len() < FULL => {
                self.full.insert((group.clone(), bound));
            }
            Event::HorizonClaimEvicted { group, .. } if self.returned.len() < FULL => {
                self.returned.insert(group.clone());
            }
            Event::LostByForget { items, .. } => {
                self.forgotten_unseen = self.forgotten_unseen.saturating_add(*items);
            }
            _ => {}
        }
    }
}
