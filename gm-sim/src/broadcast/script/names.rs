//! Names of nodes, and what payloads say in a few words. Knows not when anything is said.

use std::net::{IpAddr, Ipv4Addr};

use gm_broadcast::{AckReport, Path};
use gm_clock::NetId;
use gm_codec::{AckStatus, Body, BroadcastId, Payload, Routing};

use crate::broadcast::node::{DeliveredMessage, SimBroadcaster};
use crate::node::NodeIndex;

/// The nodes of a script, in the order in which it names them; of ids too.
#[derive(Clone, Debug)]
pub(super) struct NodeNames {
    names: Vec<String>,
    ids: Vec<NetId>,
}

impl NodeNames {
    pub(super) fn new(names: Vec<&str>) -> Result<NodeNames, String> {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let mut sorted = names.clone();
        sorted.sort_unstable();
        sorted.dedup();
        if names.is_empty() || sorted.len() < names.len() {
            return Err("a world has nodes, each of a name of its own".to_owned());
        }
        let address = |place: u8| IpAddr::V4(Ipv4Addr::new(10, 0, 0, place));
        let ids = (1..=255).zip(&names).map(|(place, _)| NetId::new(address(place), 29_999));
        let ids: Vec<NetId> = ids.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        Ok(NodeNames { names, ids })
    }

    pub(super) fn find(&self, name: &str) -> Result<NodeIndex, String> {
        let place = self.names.iter().position(|known| known == name.trim());
        let place = place.and_then(|place| u32::try_from(place).ok());
        place.map(NodeIndex).ok_or_else(|| format!("no node: `{name}`"))
    }

    pub(super) fn id(&self, node: NodeIndex) -> NetId {
        self.ids[node.index()]
    }

    pub(super) fn name(&self, node: NodeIndex) -> &str {
        self.names.get(node.index()).map_or("?", String::as_str)
    }

    pub(super) fn name_of_id(&self, id: NetId) -> &str {
        let place = self.ids.iter().position(|known| *known == id);
        place.and_then(|place| self.names.get(place)).map_or("?", String::as_str)
    }

    fn nodes(&self, ids: impl IntoIterator<Item = NetId>) -> String {
        let names: Vec<&str> = ids.into_iter().map(|id| self.name_of_id(id)).collect();
        names.join(" ")
    }

    fn broadcast(&self, id: &BroadcastId) -> String {
        format!("{}{}", self.name_of_id(id.origin), id.sequence)
    }

    /// All that a frame says.
    pub(super) fn payload(&self, payload: &Payload) -> String {
        let Payload { header, body } = payload;
        let mut parts = Vec::new();
        match &header.routing {
            Routing::Direct => parts.push(self.body(body)),
            Routing::Broadcast(broadcast) => {
                let origin = broadcast.origin.map_or(header.sender, |origin| origin.node);
                parts.push(format!("{}{} {}", self.name_of_id(origin), broadcast.sequence, self.body(body)));
                if !broadcast.targets.is_empty() {
                    parts.push(format!("pass on to {}", self.nodes(broadcast.targets.iter().copied())));
                }
                if let Some(receipts) = broadcast.ack_request {
                    let again = if receipts.reassigned { " again" } else { "" };
                    parts.push(format!("receipts{again} within {} ms", receipts.within_millis));
                }
            }
        }
        parts.extend(header.multicast_sequence.map(|number| format!("multicast {number}")));
        parts.extend(header.island.map(|label| format!("island {}", self.name_of_id(label))));
        for (word, nodes) in
            [("hears", &header.neighbors_gained), ("hears no longer", &header.neighbors_lost)]
        {
            if !nodes.is_empty() {
                parts.push(format!("{word} {}", self.nodes(nodes.iter().copied())));
            }
        }
        parts.join(", ")
    }

    fn body(&self, body: &Body) -> String {
        match body {
            Body::Application(application) => format!("{:?}", String::from_utf8_lossy(&application.bytes)),
            Body::HeaderOnly => "notice".to_owned(),
            Body::PeerExchange(peers) => {
                let ids = peers
                    .islands
                    .iter()
                    .flat_map(|island| std::iter::once(island.id).chain(island.nodes.iter().copied()));
                let known = self.nodes(ids.chain(peers.without_island.iter().copied()));
                format!("knows {known}{}", if peers.reply_requested { ", whom do you?" } else { "" })
            }
            Body::Ack(receipt) => {
                let about = self.broadcast(&receipt.broadcast);
                match &receipt.status {
                    AckStatus::Received => format!("has {about}"),
                    AckStatus::ContentWanted => format!("send me {about}"),
                    AckStatus::Summary(sum) => {
                        let last = if sum.is_final { ", the last word" } else { "" };
                        let missing = if sum.missing > 0 {
                            format!(", {} missing", sum.missing)
                        } else {
                            String::new()
                        };
                        format!("{about}: {} have it{missing}{last}", sum.delivered)
                    }
                }
            }
            Body::Nack(gaps) => {
                let each = gaps.missed.iter().map(|missed| {
                    let runs = missed.runs.iter().map(|(first, last)| {
                        if first == last { first.to_string() } else { format!("{first}-{last}") }
                    });
                    format!("{} {}", self.name_of_id(missed.node), runs.collect::<Vec<_>>().join(" "))
                });
                format!("misses multicast {}", each.collect::<Vec<_>>().join(", "))
            }
            Body::Retransmission(repeat) => {
                let what = if repeat.payload.is_empty() { "is not here" } else { "again" };
                format!("multicast {} {} {what}", self.name_of_id(repeat.node), repeat.multicast_sequence)
            }
            other => format!("{other:?}"),
        }
    }

    pub(super) fn message(&self, mail: &DeliveredMessage) -> String {
        let what = mail.broadcast.as_ref().map_or_else(|| "a message".to_owned(), |id| self.broadcast(id));
        let path = match mail.path {
            Path::Multicast => "multicast",
            Path::Datagram => "datagram",
            Path::Connection => "connection",
        };
        format!("has {what} by {path}")
    }

    pub(super) fn report(&self, report: &AckReport) -> String {
        let AckReport { delivered, refused, missing, unknown, missing_nodes: names, settled } = report;
        let counts =
            [(delivered, "have it"), (refused, "refuse it"), (missing, "missing"), (unknown, "unknown")];
        let counts = counts.iter().filter(|(count, _)| **count > 0);
        let mut words: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
        if !names.is_empty() {
            words.push(format!("without {}", self.nodes(names.iter().copied())));
        }
        if *settled {
            words.push("settled".to_owned());
        }
        format!("is told: {}", words.join(", "))
    }

    pub(super) fn status(&self, machine: &SimBroadcaster) -> String {
        let or_nobody = |names: String| if names.is_empty() { "nobody".to_owned() } else { names };
        let near = or_nobody(self.nodes(machine.near()));
        let known = or_nobody(self.nodes(machine.known()));
        let island = machine
            .island_id()
            .map_or("an island of its own".to_owned(), |label| format!("island {}", self.name_of_id(label)));
        format!("{island}, hears {near}, knows {known}")
    }
}
