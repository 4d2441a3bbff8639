//! The gossip header: who sends a payload, on whose behalf, and to whom it is to be passed on. Says nothing of its content.

use gm_clock::NetId;

use super::PayloadError;
use super::read::Reader;
use super::table::Table;
use crate::Limits;
use crate::varint;

/// Who began a broadcast that somebody else passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Who began it.
    pub node: NetId,
    /// The epoch in which it did: the sequence counts within it.
    pub epoch: [u8; 8],
}

/// The gossip header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who sends this frame.
    pub sender: NetId,
    /// On whose behalf, if not on its own. Its own broadcasts are of the epoch of the frame that they come in.
    pub origin: Option<Origin>,
    /// The number of the broadcast within its origin's epoch.
    pub sequence: u64,
    /// The number of the sender's last multicast, by which a receiver finds that it missed one.
    pub multicast: Option<u64>,
    /// Whether the origin wants to hear who has got it.
    pub receipts: bool,
    /// The label of the sender's island.
    pub island: Option<NetId>,
    /// Whose multicast the sender hears now and did not before. Sorted, each once.
    pub heard: Vec<NetId>,
    /// Whose multicast it hears no longer. Sorted, each once.
    pub lost: Vec<NetId>,
    /// To whom the receiver must pass it on. Sorted, each once.
    pub list: Vec<NetId>,
}

mod flag {
    pub(super) const ORIGIN: u64 = 1;
    pub(super) const MULTICAST: u64 = 1 << 1;
    pub(super) const RECEIPTS: u64 = 1 << 2;
    pub(super) const ISLAND: u64 = 1 << 3;
    pub(super) const HEARD: u64 = 1 << 4;
    pub(super) const LOST: u64 = 1 << 5;
    pub(super) const LIST: u64 = 1 << 6;
    pub(super) const KNOWN: u64 = (1 << 7) - 1;
}

impl Header {
    /// The header of a broadcast that its origin sends, with nothing besides.
    pub const fn new(sender: NetId, sequence: u64) -> Header {
        Header {
            sender,
            origin: None,
            sequence,
            multicast: None,
            receipts: false,
            island: None,
            heard: Vec::new(),
            lost: Vec::new(),
            list: Vec::new(),
        }
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        for (what, list) in [("heard", &self.heard), ("lost", &self.lost), ("list", &self.list)] {
            if list.len() > limits.nodes {
                let (count, most) = (list.len() as u64, limits.nodes as u64);
                return Err(PayloadError::TooMany { what, count, most });
            }
            if !list.is_sorted_by(|a, b| a < b) {
                return Err(PayloadError::Unsorted { what });
            }
        }
        Ok(())
    }

    pub(super) fn name_all(&self, named: &mut Vec<NetId>) {
        named.push(self.sender);
        named.extend(self.origin.map(|origin| origin.node));
        named.extend(self.island);
        for list in [&self.heard, &self.lost, &self.list] {
            named.extend_from_slice(list);
        }
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        let flags = [
            (flag::ORIGIN, self.origin.is_some()),
            (flag::MULTICAST, self.multicast.is_some()),
            (flag::RECEIPTS, self.receipts),
            (flag::ISLAND, self.island.is_some()),
            (flag::HEARD, !self.heard.is_empty()),
            (flag::LOST, !self.lost.is_empty()),
            (flag::LIST, !self.list.is_empty()),
        ];
        varint::write(flags.iter().filter(|(_, set)| *set).map(|(flag, _)| flag).sum(), out);
        varint::write(table.position(self.sender) as u64, out);
        if let Some(origin) = self.origin {
            varint::write(table.position(origin.node) as u64, out);
            out.extend_from_slice(&origin.epoch);
        }
        varint::write(self.sequence, out);
        if let Some(multicast) = self.multicast {
            varint::write(multicast, out);
        }
        if let Some(island) = self.island {
            varint::write(table.position(island) as u64, out);
        }
        for list in [&self.heard, &self.lost, &self.list] {
            put_list(table, list, out);
        }
    }

    pub(super) fn decode(
        reader: &mut Reader<'_>,
        refs: &mut Refs<'_>,
        limits: &Limits,
    ) -> Result<Header, PayloadError> {
        let flags = reader.varint()?;
        if flags & !flag::KNOWN != 0 {
            return Err(PayloadError::UnknownFlags { flags });
        }
        let has = |flag: u64| flags & flag != 0;
        let sender = refs.node(reader)?;
        let mut header = Header { receipts: has(flag::RECEIPTS), ..Header::new(sender, 0) };
        if has(flag::ORIGIN) {
            header.origin = Some(Origin { node: refs.node(reader)?, epoch: reader.array()? });
        }
        header.sequence = reader.varint()?;
        if has(flag::MULTICAST) {
            header.multicast = Some(reader.varint()?);
        }
        if has(flag::ISLAND) {
            header.island = Some(refs.node(reader)?);
        }
        for (flag, what, list) in [
            (flag::HEARD, "heard", &mut header.heard),
            (flag::LOST, "lost", &mut header.lost),
            (flag::LIST, "list", &mut header.list),
        ] {
            if has(flag) {
                *list = refs.list(reader, what, limits)?;
            }
        }
        Ok(header)
    }
}

/// A sorted list as positions, each as its distance to the one before; an empty one is not written.
fn put_list(table: &Table, list: &[NetId], out: &mut Vec<u8>) {
    if list.is_empty() {
        return;
    }
    varint::write(list.len() as u64, out);
    let mut next = 0;
    for node in list {
        let position = table.position(*node);
        varint::write((position - next) as u64, out);
        next = position + 1;
    }
}

/// The table as it is referred to: what nothing refers to is refused in the end.
pub(super) struct Refs<'a> {
    table: &'a Table,
    used: Vec<bool>,
}

impl<'a> Refs<'a> {
    pub(super) fn new(table: &'a Table) -> Refs<'a> {
        Refs { table, used: vec![false; table.len()] }
    }

    /// The node at a position that is read.
    pub(super) fn node(&mut self, reader: &mut Reader<'_>) -> Result<NetId, PayloadError> {
        let index = reader.varint()?;
        self.at(index)
    }

    /// The node at that position.
    pub(super) fn at(&mut self, index: u64) -> Result<NetId, PayloadError> {
        let place = usize::try_from(index).ok().filter(|place| *place < self.table.len());
        let place = place.ok_or(PayloadError::NoSuchEntry { index, len: self.table.len() })?;
        self.used[place] = true;
        Ok(self.table.get(place))
    }

    fn list(
        &mut self,
        reader: &mut Reader<'_>,
        what: &'static str,
        limits: &Limits,
    ) -> Result<Vec<NetId>, PayloadError> {
        let count = reader.count(what, limits.nodes, 1)?;
        if count == 0 {
            return Err(reader.not_canonical(what));
        }
        let mut next = 0_u64;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            let position = next.saturating_add(reader.varint()?);
            list.push(self.at(position)?);
            next = position.saturating_add(1);
        }
        Ok(list)
    }

    pub(super) fn all_used(&self) -> Result<(), PayloadError> {
        match self.used.iter().position(|used| !used) {
            Some(index) => Err(PayloadError::UnusedEntry { index }),
            None => Ok(()),
        }
    }
}
