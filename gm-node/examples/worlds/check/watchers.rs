//! What a watcher was told adds up: nothing is there twice, nothing goes that was not there, and in the end it is what the node holds. Knows nothing of
//! how differences are found.

use std::collections::{BTreeMap, BTreeSet};

use gm_clock::NetId;
use gm_data::{Event, GroupState, Item};
use gm_sim::{Checker, NodeIndex, Seen, Violation, Where};

use crate::book::Shared;
use crate::ground::{Land, Whole};

/// What a watcher knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Known {
    members: BTreeSet<NetId>,
    items: BTreeSet<Item>,
}

impl Known {
    fn of(state: Option<&GroupState>) -> Known {
        let live = |state: &GroupState| -> BTreeSet<Item> {
            state
                .records()
                .flat_map(|record| record.items().collect::<Vec<_>>())
                .filter(|i| i.op().is_live())
                .collect()
        };
        Known {
            members: state.into_iter().flat_map(|state| state.members().collect::<Vec<_>>()).collect(),
            items: state.map(live).unwrap_or_default(),
        }
    }

    fn tell(&mut self, event: Event) -> Result<(), String> {
        let good = match event {
            Event::Joined(member) => self.members.insert(member),
            Event::Left(member) => self.members.remove(&member),
            Event::RangeAdded(item) => self.items.insert(item),
            Event::RangeRemoved(item) => self.items.remove(&item),
            Event::RangeChanged { from, to } => self.items.remove(&from) && self.items.insert(to),
        };
        if good { Ok(()) } else { Err(format!("was told {event:?}, which does not follow")) }
    }
}

/// Keeps what each watcher knows.
#[derive(Debug)]
pub(crate) struct Watchers {
    book: Shared,
    known: BTreeMap<(NodeIndex, u64), Known>,
    /// Was told that something changed, and takes it in.
    takes: Vec<(NodeIndex, u64)>,
}

impl Watchers {
    /// Of that book.
    pub(crate) fn new(book: &Shared) -> Watchers {
        Watchers { book: Shared::clone(book), known: BTreeMap::new(), takes: Vec::new() }
    }

    fn group_of(&self, tag: u64) -> Option<gm_data::GroupName> {
        let book = self.book.borrow();
        let (_, group, _) = book.watch_of(tag)?;
        book.plan.groups.get(*group).cloned()
    }
}

impl Checker<Whole> for Watchers {
    fn name(&self) -> &'static str {
        "watchers"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Whole>) -> Result<(), Violation> {
        match seen {
            Seen::Ended => self.known.retain(|(node, _), _| *node != place.node),
            Seen::Input(gm_broadcast::Input::Command(gm_node::Command::Watch { tag, .. })) => {
                self.known.insert((place.node, *tag), Known::default());
            }
            Seen::Event(gm_node::Event::WatchRefused { tag, .. }) => {
                self.known.remove(&(place.node, *tag));
            }
            Seen::Event(gm_node::Event::Changed { tag, .. }) => self.takes.push((place.node, *tag)),
            _ => {}
        }
        Ok(())
    }

    /// A watcher takes in what there is when it was told, and says so after a while, as its pace is.
    fn settled(&mut self, place: Where, machine: &Whole) -> Result<(), Violation> {
        for (node, tag) in std::mem::take(&mut self.takes) {
            let Some(difference) = machine.difference(tag) else { continue };
            // Some in parts.
            let part = difference.part(if tag.is_multiple_of(2) { 3 } else { usize::MAX });
            let known = self.known.entry((node, tag)).or_default();
            match &part.events {
                Some(events) => {
                    for event in events {
                        known.tell(*event).map_err(|what| {
                            Violation::safety("watchers", place.at, format!("{node} {what}"))
                        })?;
                    }
                }
                None => {
                    let group = self.group_of(tag);
                    let state = group.and_then(|group| machine.view(&group).cloned());
                    self.known.insert((node, tag), Known::of(state.as_deref()));
                }
            }
            self.book.borrow_mut().took(place.at, node, tag, part);
        }
        Ok(())
    }

    fn at_end(&mut self, world: &Land) -> Result<(), Violation> {
        for ((node, tag), known) in &self.known {
            let (Some(machine), Some(group)) = (world.machine(*node), self.group_of(*tag)) else { continue };
            let state = machine.view(&group).map(|view| -> &GroupState { view });
            let is = Known::of(state);
            if *known != is {
                let what = format!("{node} told watcher {tag} {known:?}, and holds {is:?}");
                return Err(Violation::liveness("watchers", world.now(), what));
            }
        }
        Ok(())
    }
}
