//! The gossip header: who sends a payload, on whose behalf, and to whom it is to be passed on. Says nothing of its content.

use gm_clock::NetId;

use super::read::Reader;
use super::refs::{Refs, put_list, put_node};
use super::sections::{self, Section};
use super::table::Table;
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
    pub kind: Kind,
    /// The number of the sender's last multicast, by which a receiver finds that it missed one.
    pub multicast: Option<u64>,
    /// The label of the sender's island.
    pub island: Option<NetId>,
    /// Whose multicast the sender hears now and did not before. Sorted, each once.
    pub heard: Vec<NetId>,
    /// Whose multicast it hears no longer. Sorted, each once.
    pub lost: Vec<NetId>,
    /// What a later version adds. Sorted by kind, each kind once; at most 16, with 1,024 bytes together.
    pub sections: Vec<Section>,
}

/// For whom a payload is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// From the sender to the receiver alone; never passed on.
    Direct,
    /// For everybody; passed on.
    Broadcast(Broadcast),
}

/// What tells broadcasts apart, and how one is passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broadcast {
    /// On whose behalf, if not on the sender's own in the epoch of the frame that it comes in. It may be the sender: of an older
    /// epoch, or in a frame that is not sealed.
    pub origin: Option<Origin>,
    /// The number of the broadcast within its origin's epoch.
    pub sequence: u64,
    /// To whom the receiver must pass it on: its share. Sorted, each once.
    pub list: Vec<NetId>,
    /// What the sender wants to hear of the receiver's share, if anything.
    pub receipts: Option<Receipts>,
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
pub struct Receipts {
    /// Within how many milliseconds from now.
    pub within_millis: u32,
    /// Only who has it on disk counts.
    pub durable: bool,
    /// The share was given to another before, who does not answer.
    pub again: bool,
}

mod flag {
    pub(super) const ORIGIN: u64 = 1;
    pub(super) const MULTICAST: u64 = 1 << 1;
    pub(super) const DIRECT: u64 = 1 << 2;
    pub(super) const ISLAND: u64 = 1 << 3;
    pub(super) const HEARD: u64 = 1 << 4;
    pub(super) const LOST: u64 = 1 << 5;
    pub(super) const LIST: u64 = 1 << 6;
    pub(super) const RECEIPTS: u64 = 1 << 7;
    pub(super) const SECTIONS: u64 = 1 << 8;
    /// What a direct payload must not have.
    pub(super) const NOT_DIRECT: u64 = ORIGIN | LIST | RECEIPTS;
    pub(super) const KNOWN: [(u64, &str); 9] = [
        (ORIGIN, "origin"),
        (MULTICAST, "multicast"),
        (DIRECT, "direct"),
        (ISLAND, "island"),
        (HEARD, "heard"),
        (LOST, "lost"),
        (LIST, "list"),
        (RECEIPTS, "receipts"),
        (SECTIONS, "sections"),
    ];
}

impl Header {
    /// The header of a broadcast of the sender's own, with nothing besides.
    pub const fn new(sender: NetId, sequence: u64) -> Header {
        let broadcast = Broadcast { origin: None, sequence, list: Vec::new(), receipts: None };
        Header::of(sender, Kind::Broadcast(broadcast))
    }

    /// The header of a payload for the receiver alone, with nothing besides.
    pub const fn direct(sender: NetId) -> Header {
        Header::of(sender, Kind::Direct)
    }

    const fn of(sender: NetId, kind: Kind) -> Header {
        Header {
            sender,
            kind,
            multicast: None,
            island: None,
            heard: Vec::new(),
            lost: Vec::new(),
            sections: Vec::new(),
        }
    }

    /// What it is as a broadcast, if it is one.
    pub const fn broadcast(&self) -> Option<&Broadcast> {
        match &self.kind {
            Kind::Direct => None,
            Kind::Broadcast(broadcast) => Some(broadcast),
        }
    }

    fn list(&self) -> &[NetId] {
        self.broadcast().map_or(&[], |broadcast| &broadcast.list)
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        for (what, list) in [("heard", &*self.heard), ("lost", &*self.lost), ("list", self.list())] {
            check::at_most(what, list.len(), limits.nodes)?;
            check::sorted(what, list, |after, before| after > before)?;
        }
        sections::check(&self.sections)
    }

    pub(super) fn name_all(&self, named: &mut Vec<NetId>) {
        named.push(self.sender);
        named.extend(self.broadcast().and_then(|broadcast| broadcast.origin).map(|origin| origin.node));
        named.extend(self.island);
        for list in [&*self.heard, &*self.lost, self.list()] {
            named.extend_from_slice(list);
        }
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        let broadcast = self.broadcast();
        let origin = broadcast.and_then(|broadcast| broadcast.origin);
        let receipts = broadcast.and_then(|broadcast| broadcast.receipts);
        let flags = [
            (flag::ORIGIN, origin.is_some()),
            (flag::MULTICAST, self.multicast.is_some()),
            (flag::DIRECT, broadcast.is_none()),
            (flag::ISLAND, self.island.is_some()),
            (flag::HEARD, !self.heard.is_empty()),
            (flag::LOST, !self.lost.is_empty()),
            (flag::LIST, !self.list().is_empty()),
            (flag::RECEIPTS, receipts.is_some()),
            (flag::SECTIONS, !self.sections.is_empty()),
        ];
        varint::write(flags.iter().filter(|(_, set)| *set).map(|(flag, _)| flag).sum(), out);
        put_node(table, self.sender, out);
        if let Some(origin) = origin {
            put_node(table, origin.node, out);
            out.extend_from_slice(&origin.epoch);
        }
        if let Some(broadcast) = broadcast {
            varint::write(broadcast.sequence, out);
        }
        if let Some(multicast) = self.multicast {
            varint::write(multicast, out);
        }
        if let Some(island) = self.island {
            put_node(table, island, out);
        }
        for list in [&*self.heard, &*self.lost, self.list()] {
            if !list.is_empty() {
                put_list(table, list, out);
            }
        }
        if let Some(receipts) = receipts {
            let Receipts { within_millis, durable, again } = receipts;
            varint::write(u64::from(within_millis) << 2 | u64::from(durable) << 1 | u64::from(again), out);
        }
        if !self.sections.is_empty() {
            sections::encode(&self.sections, out);
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut Refs<'_>,
        limits: &Limits,
    ) -> Result<Header, PayloadError> {
        let flags = reader.flags("flags", &flag::KNOWN)?;
        let has = |flag: u64| flags & flag != 0;
        if has(flag::DIRECT) && has(flag::NOT_DIRECT) {
            return Err(PayloadError::UnknownFlags { flags });
        }
        let sender = refs.node(reader, "sender")?;
        let origin = match has(flag::ORIGIN) {
            true => Some(Origin { node: refs.node(reader, "origin")?, epoch: reader.array("epoch")? }),
            false => None,
        };
        let sequence = if has(flag::DIRECT) { 0 } else { reader.varint("sequence")? };
        let multicast = if has(flag::MULTICAST) { Some(reader.varint("multicast")?) } else { None };
        let island = if has(flag::ISLAND) { Some(refs.node(reader, "island")?) } else { None };
        let mut list = |flag, what| match has(flag) {
            true => refs.list(reader, what, limits.nodes),
            false => Ok(Vec::new()),
        };
        let heard = list(flag::HEARD, "heard")?;
        let lost = list(flag::LOST, "lost")?;
        let list = list(flag::LIST, "list")?;
        let receipts = if has(flag::RECEIPTS) { Some(receipts(reader)?) } else { None };
        let sections = if has(flag::SECTIONS) { sections::decode(reader)? } else { Vec::new() };
        let kind = match has(flag::DIRECT) {
            true => Kind::Direct,
            false => Kind::Broadcast(Broadcast { origin, sequence, list, receipts }),
        };
        Ok(Header { sender, kind, multicast, island, heard, lost, sections })
    }
}

fn receipts<T: Trace>(reader: &mut Reader<'_, T>) -> Result<Receipts, PayloadError> {
    let number = reader.varint_as("receipts", |number| {
        let durable = if number & 2 == 0 { "" } else { ", on disk" };
        let again = if number & 1 == 0 { "" } else { ", another's share before" };
        format!("within {} ms{durable}{again}", number >> 2)
    })?;
    let within_millis = u32::try_from(number >> 2).map_err(|_| reader.out_of_range("receipts"))?;
    Ok(Receipts { within_millis, durable: number & 2 != 0, again: number & 1 != 0 })
}
