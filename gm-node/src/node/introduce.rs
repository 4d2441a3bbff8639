//! Introductions: groups that are held here are compared with nodes that are said to hold them and of which nothing is held yet (leads). Every lead has its
//! own time, and those of one node go in one message.

use std::collections::BTreeMap;
use std::time::Duration;

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_data::GroupName;

use super::Node;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// A lead is followed this often, first by datagram, then by connection; then its node is taken to be dead.
const TRIES: u32 = 3;
/// The time after which a lead is followed again, doubled by each try.
const AGAIN: Duration = Duration::from_millis(500);

impl<S: Store> Node<S> {
    /// When a lead is due.
    pub(super) fn introduce_at(&self) -> Option<Time> {
        self.groups().introduce_at
    }

    /// Follows the leads that are due.
    pub(super) fn introduce(&mut self, now: Time) {
        let groups = self.groups_mut();
        let mut next: Option<Time> = None;
        let mut to: BTreeMap<NetId, (u32, Vec<GroupName>)> = BTreeMap::new();
        let mut given_up = Vec::new();
        for (name, held) in groups.held.iter_mut().filter(|(_, held)| !held.leads.is_empty()) {
            let state = groups.topology.group(name).map(gm_data::Replica::state);
            let is_met = |node: NetId| state.is_some_and(|state| state.is_member(node));
            held.leads.retain_mut(|lead| {
                if is_met(lead.node) {
                    return false;
                }
                if lead.due <= now {
                    if lead.tries >= TRIES {
                        given_up.push(name.clone());
                        return false;
                    }
                    lead.due = now + AGAIN * (1 << lead.tries);
                    lead.tries += 1;
                    let (tries, names) = to.entry(lead.node).or_default();
                    *tries = (*tries).max(lead.tries);
                    names.push(name.clone());
                }
                next = Some(next.map_or(lead.due, |next| next.min(lead.due)));
                true
            });
        }
        groups.introduce_at = next;
        for (node, (tries, names)) in to {
            // Where datagrams do not come through, connections may.
            let again = tries > 1 && !planted(Bug::DatagramsOnly);
            let by = if again { Transport::Tcp } else { self.by_for(node, Transport::Udp) };
            self.count("anti-entropy", "introduced");
            match names.as_slice() {
                [name] => self.descend(now, node, name, by),
                names => self.compare_groups(now, (node, by), names),
            }
        }
        for name in given_up {
            self.look_elsewhere(now, &name);
        }
    }
}
