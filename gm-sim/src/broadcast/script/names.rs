//! Names of nodes, and short descriptions of payloads for the transcript.

use std::net::{IpAddr, Ipv4Addr};

use gm_broadcast::{AckReport, Path};
use gm_clock::NetId;
use gm_codec::{AckStatus, Body, BroadcastId, Payload, Routing};

use crate::broadcast::node::{DeliveredMessage, SimBroadcaster};
use crate::node::NodeIndex;

/// The nodes of a script, in the order in which it names them, which is also that of their ids.
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
            return Err("a world needs at least one node, and distinct names".to_owned());
        }
        let address = |index: u8| IpAddr::V4(Ipv4Addr::new(10, 0, 0, index));
        let ids = (1..=255).zip(&names).map(|(index, _)| NetId::new(address(index), 29_999));
        let ids: Vec<NetId> = ids.collect::<Result<_, _>>().map_err(|error| error.to_string())?;
        Ok(NodeNames { names, ids })
    }

    pub(super) fn find(&self, name: &str) -> Result<NodeIndex, String> {
        let index = self.names.iter().position(|known| known == name.trim());
        let index = index.and_then(|index| u32::try_from(index).ok());
        index.map(NodeIndex).ok_or_else(|| format!("unknown node: `{name}`"))
    }

    pub(super) fn id(&self, node: NodeIndex) -> NetId {
        self.ids[node.index()]
    }

    pub(super) fn name(&self, node: NodeIndex) -> &str {
        self.names.get(node.index()).map_or("?", String::as_str)
    }

    pub(super) fn name_of_id(&self, id: NetId) -> &str {
        let index = self.ids.iter().position(|known| *known == id);
        index.and_then(|index| self.names.get(index)).map_or("?", String::as_str)
    }

    fn nodes(&self, ids: impl IntoIterator<Item = NetId>) -> String {
        let names: Vec<&str> = ids.into_iter().map(|id| self.name_of_id(id)).collect();
        names.join(" ")
    }

    fn broadcast(&self, id: &BroadcastId) -> String {
        format!("{}{}", self.name_of_id(id.origin), id.sequence)
    }

    /// Describes a payload.
    pub(super) fn payload(&self, payload: &Payload) -> String {
        let Payload { header, body } = payload;
        let mut parts = Vec::new();
        match &header.routing {
            Routing::Direct => parts.push(self.body(body)),
            Routing::Broadcast(broadcast) => {
                let origin = broadcast.origin.map_or(header.sender, |origin| origin.node);
                let body = match body {
                    Body::HeaderOnly => "announcement".to_owned(),
                    body => self.body(body),
                };
                parts.push(format!("{}{} {body}", self.name_of_id(origin), broadcast.sequence));
                if !broadcast.targets.is_empty() {
                    parts.push(format!("targets {}", self.nodes(broadcast.targets.iter().copied())));
                }
                if let Some(request) = broadcast.ack_request {
                    let reassigned = if request.reassigned { " reassigned" } else { "" };
                    parts.push(format!("acks{reassigned} within {} ms", request.within_millis));
                }
            }
        }
        parts.extend(header.multicast_sequence.map(|number| format!("multicast {number}")));
        parts.extend(header.island.map(|label| format!("island {}", self.name_of_id(label))));
        for (word, nodes) in
            [("new neighbors", &header.neighbors_gained), ("lost neighbors", &header.neighbors_lost)]
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
            Body::HeaderOnly => "header only".to_owned(),
            Body::PeerExchange(peers) => {
                let ids = peers
                    .islands
                    .iter()
                    .flat_map(|island| std::iter::once(island.id).chain(island.nodes.iter().copied()));
                let known = self.nodes(ids.chain(peers.without_island.iter().copied()));
                format!("peers {known}{}", if peers.reply_requested { ", reply requested" } else { "" })
            }
            Body::Ack(ack) => {
                let broadcast = self.broadcast(&ack.broadcast);
                match &ack.status {
                    AckStatus::Received => format!("ack {broadcast}"),
                    AckStatus::ContentWanted => format!("requests {broadcast}"),
                    AckStatus::Accepted => format!("accepts {broadcast}"),
                    AckStatus::Summary(sum) => {
                        let last = if sum.is_final { ", final" } else { "" };
                        let missing = if sum.missing > 0 {
                            format!(", {} missing", sum.missing)
                        } else {
                            String::new()
                        };
                        format!("acks {broadcast}: {} delivered{missing}{last}", sum.delivered)
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
                format!("nack multicast {}", each.collect::<Vec<_>>().join(", "))
            }
            Body::Retransmission(repeat) => {
                let what = if repeat.payload.is_empty() { "cannot retransmit" } else { "retransmits" };
                let node = self.name_of_id(repeat.node);
                format!("{what} multicast {node} {}", repeat.multicast_sequence)
            }
            other => format!("{other:?}"),
        }
    }

    pub(super) fn message(&self, message: &DeliveredMessage) -> String {
        let what = message.broadcast.as_ref().map_or_else(|| "a message".to_owned(), |id| self.broadcast(id));
        let path = match message.path {
            Path::Multicast => "multicast",
            Path::Datagram => "datagram",
            Path::Connection => "connection",
        };
        format!("delivers {what} by {path}")
    }

    pub(super) fn report(&self, report: &AckReport) -> String {
        let AckReport { delivered, refused, missing, unknown, missing_nodes: names, settled } = report;
        let counts =
            [(delivered, "delivered"), (refused, "refused"), (missing, "missing"), (unknown, "unknown")];
        let counts = counts.iter().filter(|(count, _)| **count > 0);
        let mut words: Vec<String> = counts.map(|(count, word)| format!("{count} {word}")).collect();
        if !names.is_empty() {
            words.push(format!("missing {}", self.nodes(names.iter().copied())));
        }
        if *settled {
            words.push("settled".to_owned());
        }
        format!("ack report: {}", words.join(", "))
    }

    pub(super) fn status(&self, machine: &SimBroadcaster) -> String {
        let or_none = |names: String| if names.is_empty() { "none".to_owned() } else { names };
        let near = or_none(self.nodes(machine.broadcaster.near()));
        let known = or_none(self.nodes(machine.broadcaster.known()));
        let island = machine
            .broadcaster
            .island_id()
            .map_or("no island".to_owned(), |label| format!("island {}", self.name_of_id(label)));
        format!("{island}, neighbors {near}, peers {known}")
    }
}
