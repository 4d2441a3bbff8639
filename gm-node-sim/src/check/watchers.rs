//! Checks watchers: applied one after the other, the differences are consistent, and lead to the
//! state of the node in the end.

use std::collections::{BTreeMap, BTreeSet};

use gm_clock::NetId;
use gm_data::{GroupEvent, GroupState, Item};
use gm_sim::{Checker, NodeIndex, Observation, ObservationContext, Violation};

use crate::environment::{NodeWorld, SimNode};
use crate::history::SharedHistory;

/// State of a group as a watcher knows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct WatcherState {
    members: BTreeSet<NetId>,
    items: BTreeSet<Item>,
}

impl WatcherState {
    fn of(state: Option<&GroupState>) -> WatcherState {
        let live = |state: &GroupState| -> BTreeSet<Item> {
            state
                .records()
                .flat_map(|record| record.items().collect::<Vec<_>>())
                .filter(|i| i.op().is_live())
                .collect()
        };
        WatcherState {
            members: state.into_iter().flat_map(|state| state.members().collect::<Vec<_>>()).collect(),
            items: state.map(live).unwrap_or_default(),
        }
    }

    fn apply(&mut self, event: GroupEvent) -> Result<(), String> {
        let consistent = match event {
            GroupEvent::Joined(member) => self.members.insert(member),
            GroupEvent::Left(member) => self.members.remove(&member),
            GroupEvent::RangeAdded(item) => self.items.insert(item),
            GroupEvent::RangeRemoved(item) => self.items.remove(&item),
            GroupEvent::RangeChanged { from, to } => self.items.remove(&from) && self.items.insert(to),
        };
        if consistent {
            Ok(())
        } else {
            Err(format!("reported {event:?}, which contradicts the watcher's state"))
        }
    }
}

/// Applies the differences of each watcher.
#[derive(Debug)]
pub(crate) struct WatcherChecker {
    history: SharedHistory,
    states: BTreeMap<(NodeIndex, u64), WatcherState>,
    /// Watchers that were notified, and have not read the difference.
    to_take: Vec<(NodeIndex, u64)>,
}

impl WatcherChecker {
    /// A checker with this history.
    pub(crate) fn new(history: &SharedHistory) -> WatcherChecker {
        WatcherChecker {
            history: SharedHistory::clone(history),
            states: BTreeMap::new(),
            to_take: Vec::new(),
        }
    }

    fn group_of(&self, tag: u64) -> Option<gm_data::GroupName> {
        let history = self.history.borrow();
        let (_, group, _) = history.watcher(tag)?;
        history.plan.groups.get(*group).cloned()
    }
}

impl Checker<SimNode> for WatcherChecker {
    fn name(&self) -> &'static str {
        "watchers"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimNode>,
    ) -> Result<(), Violation> {
        match seen {
            Observation::Ended => self.states.retain(|(node, _), _| *node != context.node),
            Observation::Input(gm_broadcast::Input::Command(gm_node::NodeCommand::Watch { tag, .. })) => {
                self.states.insert((context.node, *tag), WatcherState::default());
            }
            Observation::Event(gm_node::NodeEvent::WatchRefused { tag, .. }) => {
                self.states.remove(&(context.node, *tag));
            }
            Observation::Event(gm_node::NodeEvent::Changed { tag, .. }) => {
                self.to_take.push((context.node, *tag))
            }
            _ => {}
        }
        Ok(())
    }

    /// Reads the difference of each notified watcher; the watcher acknowledges it after a delay.
    fn after_input(&mut self, context: ObservationContext, machine: &SimNode) -> Result<(), Violation> {
        for (node, tag) in std::mem::take(&mut self.to_take) {
            let Some(difference) = machine.difference(tag) else { continue };
            // Every second watcher reads in parts.
            let part = difference.part(if tag.is_multiple_of(2) { 3 } else { usize::MAX });
            let known = self.states.entry((node, tag)).or_default();
            match &part.events {
                Some(events) => {
                    for event in events {
                        known.apply(*event).map_err(|what| {
                            Violation::safety("watchers", context.at, format!("{node} {what}"))
                        })?;
                    }
                }
                None => {
                    let group = self.group_of(tag);
                    let state = group.and_then(|group| machine.view(&group).cloned());
                    self.states.insert((node, tag), WatcherState::of(state.as_deref()));
                }
            }
            self.history.borrow_mut().watcher_took(context.at, node, tag, part);
        }
        Ok(())
    }

    fn at_end(&mut self, world: &NodeWorld) -> Result<(), Violation> {
        for ((node, tag), known) in &self.states {
            let (Some(machine), Some(group)) = (world.machine(*node), self.group_of(*tag)) else { continue };
            let state = machine.view(&group).map(|view| -> &GroupState { view });
            let actual = WatcherState::of(state);
            if *known != actual {
                let what = format!("watcher {tag} of {node} has {known:?}, but the node holds {actual:?}");
                return Err(Violation::liveness("watchers", world.now(), what));
            }
        }
        Ok(())
    }
}
