//! The header of a payload: sender, origin and routing, and the sender's multicast state.

use gm_clock::NetId;

use super::extensions::{self, Extension};
use super::reader::Reader;
use super::table::Table;
use super::table_refs::{TableRefs, encode_list, encode_node};
use super::trace::Trace;
use super::{PayloadError, check};
use crate::Limits;
use crate::varint;

/// The header of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// The sender of this frame.
    pub sender: NetId,
    /// Direct or broadcast.
    pub routing: Routing,
    /// Sequence number of the sender's last multicast. A receiver detects missed multicasts by it.
    pub multicast_sequence: Option<u64>,
    /// Id of the sender's island.
    pub island: Option<NetId>,
    /// Nodes whose multicast the sender has begun to receive. Sorted, without duplicates.
    pub neighbors_gained: Vec<NetId>,
    /// Nodes whose multicast the sender no longer receives. Sorted, without duplicates.
    pub neighbors_lost: Vec<NetId>,
    /// Extensions, sorted by kind, at most one of each kind; at most 16, with 1,024 bytes in total.
    pub extensions: Vec<Extension>,
}

/// The routing of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// For the receiver only; never forwarded.
    Direct,
    /// For all nodes; forwarded.
    Broadcast(BroadcastHeader),
}

/// The identity of a broadcast and its routing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroadcastHeader {
    /// The node that began the broadcast, or `None` if that is the sender, in the epoch of the
    /// frame. It may name the sender itself: with an older epoch, or in an unsealed frame.
    pub origin: Option<Origin>,
    /// Sequence number of the broadcast within its origin's epoch.
    pub sequence: u64,
    /// Targets: the nodes to which the receiver must forward the broadcast. Sorted, without
    /// duplicates.
    pub targets: Vec<NetId>,
    /// The acks that the sender requests for the receiver's subtree, if any.
    pub ack_request: Option<AckRequest>,
}

/// The node that began a broadcast, if another node sends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// The node.
    pub node: NetId,
    /// The epoch in which the node began it; sequence numbers count within it.
    pub epoch: [u8; 8],
}

/// A request for acks of the receiver's subtree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AckRequest {
    /// Maximum time from now until the receiver acknowledges, in milliseconds.
    pub within_millis: u32,
    /// Whether only nodes that have the content on disk count.
    pub durable: bool,
    /// Whether the subtree was assigned to another relay before, which does not answer.
    pub reassigned: bool,
}

mod flag {
    pub(super) const ORIGIN: u64 = 1;
    pub(super) const MULTICAST_SEQUENCE: u64 = 1 << 1;
    pub(super) const DIRECT: u64 = 1 << 2;
    pub(super) const ISLAND: u64 = 1 << 3;
    pub(super) const NEIGHBORS_GAINED: u64 = 1 << 4;
    pub(super) const NEIGHBORS_LOST: u64 = 1 << 5;
    pub(super) const TARGETS: u64 = 1 << 6;
    pub(super) const ACK_REQUEST: u64 = 1 << 7;
    pub(super) const EXTENSIONS: u64 = 1 << 8;
    /// Flags that a direct payload must not have.
    pub(super) const BROADCAST_ONLY: u64 = ORIGIN | TARGETS | ACK_REQUEST;
    pub(super) const KNOWN: [(u64, &str); 9] = [
        (ORIGIN, "origin"),
        (MULTICAST_SEQUENCE, "multicast_sequence"),
        (DIRECT, "direct"),
        (ISLAND, "island"),
        (NEIGHBORS_GAINED, "neighbors_gained"),
        (NEIGHBORS_LOST, "neighbors_lost"),
        (TARGETS, "targets"),
        (ACK_REQUEST, "ack_request"),
        (EXTENSIONS, "extensions"),
    ];
}

impl Header {
    /// The header of a broadcast that the sender begins, without optional fields.
    pub const fn own_broadcast(sender: NetId, sequence: u64) -> Header {
        let broadcast = BroadcastHeader { origin: None, sequence, targets: Vec::new(), ack_request: None };
        Header::with_routing(sender, Routing::Broadcast(broadcast))
    }

    /// The header of a direct payload, without optional fields.
    pub const fn direct(sender: NetId) -> Header {
        Header::with_routing(sender, Routing::Direct)
    }

    const fn with_routing(sender: NetId, routing: Routing) -> Header {
        Header {
            sender,
            routing,
            multicast_sequence: None,
            island: None,
            neighbors_gained: Vec::new(),
            neighbors_lost: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// The broadcast header, or `None` for a direct payload.
    pub const fn broadcast(&self) -> Option<&BroadcastHeader> {
        match &self.routing {
            Routing::Direct => None,
            Routing::Broadcast(broadcast) => Some(broadcast),
        }
    }

    fn targets(&self) -> &[NetId] {
        self.broadcast().map_or(&[], |broadcast| &broadcast.targets)
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        for (what, list) in [
            ("neighbors_gained", &*self.neighbors_gained),
            ("neighbors_lost", &*self.neighbors_lost),
            ("targets", self.targets()),
        ] {
            check::at_most(what, list.len(), limits.nodes)?;
            check::sorted(what, list, |after, before| after > before)?;
        }
        extensions::check(&self.extensions)
    }

    pub(super) fn collect_nodes(&self, nodes: &mut Vec<NetId>) {
        nodes.push(self.sender);
        nodes.extend(self.broadcast().and_then(|broadcast| broadcast.origin).map(|origin| origin.node));
        nodes.extend(self.island);
        for list in [&*self.neighbors_gained, &*self.neighbors_lost, self.targets()] {
            nodes.extend_from_slice(list);
        }
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        let broadcast = self.broadcast();
        let origin = broadcast.and_then(|broadcast| broadcast.origin);
        let ack_request = broadcast.and_then(|broadcast| broadcast.ack_request);
        let flags = [
            (flag::ORIGIN, origin.is_some()),
            (flag::MULTICAST_SEQUENCE, self.multicast_sequence.is_some()),
            (flag::DIRECT, broadcast.is_none()),
            (flag::ISLAND, self.island.is_some()),
            (flag::NEIGHBORS_GAINED, !self.neighbors_gained.is_empty()),
            (flag::NEIGHBORS_LOST, !self.neighbors_lost.is_empty()),
            (flag::TARGETS, !self.targets().is_empty()),
            (flag::ACK_REQUEST, ack_request.is_some()),
            (flag::EXTENSIONS, !self.extensions.is_empty()),
        ];
        varint::write(flags.iter().filter(|(_, set)| *set).map(|(flag, _)| flag).sum(), out);
        encode_node(table, self.sender, out);
        if let Some(origin) = origin {
            encode_node(table, origin.node, out);
            out.extend_from_slice(&origin.epoch);
        }
        if let Some(broadcast) = broadcast {
            varint::write(broadcast.sequence, out);
        }
        if let Some(multicast_sequence) = self.multicast_sequence {
            varint::write(multicast_sequence, out);
        }
        if let Some(island) = self.island {
            encode_node(table, island, out);
        }
        for list in [&*self.neighbors_gained, &*self.neighbors_lost, self.targets()] {
            if !list.is_empty() {
                encode_list(table, list, out);
            }
        }
        if let Some(ack_request) = ack_request {
            let AckRequest { within_millis, durable, reassigned } = ack_request;
            varint::write(
                u64::from(within_millis) << 2 | u64::from(durable) << 1 | u64::from(reassigned),
                out,
            );
        }
        if !self.extensions.is_empty() {
            extensions::encode(&self.extensions, out);
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
        limits: &Limits,
    ) -> Result<Header, PayloadError> {
        let flags = reader.flags("flags", &flag::KNOWN)?;
        let has = |flag: u64| flags & flag != 0;
        if has(flag::DIRECT) && has(flag::BROADCAST_ONLY) {
            return Err(PayloadError::UnknownFlags { flags });
        }
        let sender = refs.node(reader, "sender")?;
        let origin = match has(flag::ORIGIN) {
            true => Some(Origin { node: refs.node(reader, "origin")?, epoch: reader.array("epoch")? }),
            false => None,
        };
        let sequence = if has(flag::DIRECT) { 0 } else { reader.varint("sequence")? };
        let multicast_sequence =
            if has(flag::MULTICAST_SEQUENCE) { Some(reader.varint("multicast_sequence")?) } else { None };
        let island = if has(flag::ISLAND) { Some(refs.node(reader, "island")?) } else { None };
        let mut list = |flag, what| match has(flag) {
            true => refs.nonempty_list(reader, what, limits.nodes),
            false => Ok(Vec::new()),
        };
        let neighbors_gained = list(flag::NEIGHBORS_GAINED, "neighbors_gained")?;
        let neighbors_lost = list(flag::NEIGHBORS_LOST, "neighbors_lost")?;
        let targets = list(flag::TARGETS, "targets")?;
        let ack_request = if has(flag::ACK_REQUEST) { Some(decode_ack_request(reader)?) } else { None };
        let extensions = if has(flag::EXTENSIONS) { extensions::decode(reader)? } else { Vec::new() };
        let routing = match has(flag::DIRECT) {
            true => Routing::Direct,
            false => Routing::Broadcast(BroadcastHeader { origin, sequence, targets, ack_request }),
        };
        Ok(Header {
            sender,
            routing,
            multicast_sequence,
            island,
            neighbors_gained,
            neighbors_lost,
            extensions,
        })
    }
}

fn decode_ack_request<T: Trace>(reader: &mut Reader<'_, T>) -> Result<AckRequest, PayloadError> {
    let number = reader.varint_as("ack_request", |number| {
        let durable = if number & 2 == 0 { "" } else { ", on disk" };
        let reassigned = if number & 1 == 0 { "" } else { ", reassigned" };
        format!("within {} ms{durable}{reassigned}", number >> 2)
    })?;
    let within_millis = u32::try_from(number >> 2).map_err(|_| reader.out_of_range("ack_request"))?;
    Ok(AckRequest { within_millis, durable: number & 2 != 0, reassigned: number & 1 != 0 })
}
