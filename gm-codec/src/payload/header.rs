//! The gossip header: who sends a payload, on whose behalf, and to whom it is to be passed on. Says
//! nothing of its content.

use gm_clock::NetId;

use super::extensions::{self, Extension};
use super::reader::Reader;
use super::table::Table;
use super::table_refs::{TableRefs, encode_list, encode_node};
use super::trace::Trace;
use super::{PayloadError, check};
use crate::Limits;
use crate::varint;

/// The gossip header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who sends this frame.
    pub sender: NetId,
    /// Whether it is for the receiver alone.
    pub routing: Routing,
    /// The number of the sender's last multicast, by which a receiver finds that it missed one.
    pub multicast_sequence: Option<u64>,
    /// The label of the sender's island.
    pub island: Option<NetId>,
    /// Whose multicast the sender hears now and did not before. Sorted, each once.
    pub neighbors_gained: Vec<NetId>,
    /// Whose multicast it hears no longer. Sorted, each once.
    pub neighbors_lost: Vec<NetId>,
    /// What a later version adds. Sorted by kind, each kind once; at most 16, with 1,024 bytes
    /// together.
    pub extensions: Vec<Extension>,
}

/// For whom a payload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routing {
    /// From the sender to the receiver alone; never passed on.
    Direct,
    /// For everybody; passed on.
    Broadcast(BroadcastHeader),
}

/// What tells broadcasts apart, and how one is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BroadcastHeader {
    /// On whose behalf, if not on the sender's own in the epoch of the frame that it comes in. It
    /// may be the sender: of an older epoch, or in a frame that is not sealed.
    pub origin: Option<Origin>,
    /// The number of the broadcast within its origin's epoch.
    pub sequence: u64,
    /// To whom the receiver must pass it on: its share. Sorted, each once.
    pub targets: Vec<NetId>,
    /// What the sender wants to hear of the receiver's share, if anything.
    pub ack_request: Option<AckRequest>,
}

/// Who began a broadcast that somebody else passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Who began it.
    pub node: NetId,
    /// The epoch in which it did: the sequence counts within it.
    pub epoch: [u8; 8],
}

/// What the sender wants to hear of the receiver's share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AckRequest {
    /// Within how many milliseconds from now.
    pub within_millis: u32,
    /// Only who has it on disk counts.
    pub durable: bool,
    /// The share was given to another before, who does not answer.
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
    /// What a direct payload must not have.
    pub(super) const BROADCAST_ONLY: u64 = ORIGIN | TARGETS | ACK_REQUEST;
    pub(super) const KNOWN: [(u64, &str); 9] = [
        (ORIGIN, "origin"),
        (MULTICAST_SEQUENCE, "multicast"),
        (DIRECT, "direct"),
        (ISLAND, "island"),
        (NEIGHBORS_GAINED, "heard"),
        (NEIGHBORS_LOST, "lost"),
        (TARGETS, "list"),
        (ACK_REQUEST, "receipts"),
        (EXTENSIONS, "sections"),
    ];
}

impl Header {
    /// The header of a broadcast of the sender's own, with nothing besides.
    pub const fn own_broadcast(sender: NetId, sequence: u64) -> Header {
        let broadcast = BroadcastHeader { origin: None, sequence, targets: Vec::new(), ack_request: None };
        Header::with_routing(sender, Routing::Broadcast(broadcast))
    }

    /// The header of a payload for the receiver alone, with nothing besides.
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

    /// What it is as a broadcast, if it is one.
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
        for (what, list) in
            [("heard", &*self.neighbors_gained), ("lost", &*self.neighbors_lost), ("list", self.targets())]
        {
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
            if has(flag::MULTICAST_SEQUENCE) { Some(reader.varint("multicast")?) } else { None };
        let island = if has(flag::ISLAND) { Some(refs.node(reader, "island")?) } else { None };
        let mut list = |flag, what| match has(flag) {
            true => refs.nonempty_list(reader, what, limits.nodes),
            false => Ok(Vec::new()),
        };
        let neighbors_gained = list(flag::NEIGHBORS_GAINED, "heard")?;
        let neighbors_lost = list(flag::NEIGHBORS_LOST, "lost")?;
        let targets = list(flag::TARGETS, "list")?;
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
    let number = reader.varint_as("receipts", |number| {
        let durable = if number & 2 == 0 { "" } else { ", on disk" };
        let reassigned = if number & 1 == 0 { "" } else { ", another's share before" };
        format!("within {} ms{durable}{reassigned}", number >> 2)
    })?;
    let within_millis = u32::try_from(number >> 2).map_err(|_| reader.out_of_range("receipts"))?;
    Ok(AckRequest { within_millis, durable: number & 2 != 0, reassigned: number & 1 != 0 })
}
