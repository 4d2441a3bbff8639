//! Encoding of batches and stored state as database rows.
//!
//! - The table `records` has one row for each record. The key is the group's name, a zero byte,
//!   which cannot occur in a name, and the member: 4 or 6 for the kind of address, the address, and
//!   the port. So rows are in the order of groups and members. The value is the payload with which
//!   the member would send its own record to one node: reading it performs all checks of received
//!   payloads.
//! - The table `node` has one row of text for each other thing: `format` and `me`; `peers`, one a
//!   line; `contacts`, lines of member, space and group.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::str::FromStr;

use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate, Header, Limits, MemberUpdate, Payload, PayloadError, Routing};
use gm_data::{GroupName, GroupState, Record};

use super::super::{Batch, StoredState};

/// The table of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Node,
    Records,
}

/// Rows to write, by table and key; `None` removes the row. A later write of a row replaces an
/// earlier one.
pub(super) type Rows = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

pub(super) const FORMAT_ROW: &str = "format";
const ME: &str = "me";
const PEERS: &str = "peers";
const CONTACTS: &str = "contacts";

/// The limits of the wire, with these two raised to the widest possible configuration.
const LIMITS: Limits = Limits { nodes: 1 << 24, items: 1 << 28, ..Limits::DEFAULT };

/// The rows of a batch. Removals come first: a record that is also written is kept.
pub(super) fn of_batch(batch: &Batch) -> Result<Rows, PayloadError> {
    let mut rows = Rows::new();
    let mut node = |name: &str, text: String| {
        rows.insert((Table::Node, name.as_bytes().to_vec()), Some(text.into_bytes()));
    };
    if let Some(me) = batch.me {
        node(ME, me.to_string());
    }
    if let Some(peers) = &batch.peers {
        node(PEERS, lines(peers.iter().map(ToString::to_string)));
    }
    if let Some(contacts) = &batch.contacts {
        node(CONTACTS, lines(contacts.iter().map(|(group, member)| format!("{member} {group}"))));
    }
    for (group, member) in &batch.removed {
        rows.insert((Table::Records, key(group, *member)), None);
    }
    for (group, record) in &batch.records {
        rows.insert((Table::Records, key(group, record.member())), Some(value(group, record)?));
    }
    Ok(rows)
}

/// The rows of a complete stored state.
pub(super) fn of_stored(stored: &StoredState) -> Result<Rows, PayloadError> {
    let of_group = |group: &GroupState| {
        let name = group.name().clone();
        group.records().map(move |record| (name.clone(), record.clone())).collect::<Vec<_>>()
    };
    of_batch(&Batch {
        me: stored.me,
        records: stored.groups.iter().flat_map(of_group).collect(),
        removed: Vec::new(),
        contacts: Some(stored.contacts.clone()),
        peers: Some(stored.peers.clone()),
        durable: true,
    })
}

/// Builds the stored state from rows. Errors are descriptions.
#[derive(Debug, Default)]
pub(super) struct RowReader {
    stored: StoredState,
    group: Option<(GroupName, Vec<Record>)>,
}

impl RowReader {
    /// Adds a row of the table `node`.
    pub(super) fn node(&mut self, name: &str, value: &[u8]) -> Result<(), String> {
        let text = str::from_utf8(value).map_err(|_| format!("the row `{name}` is not text"))?;
        match name {
            FORMAT_ROW => {}
            ME => self.stored.me = Some(parsed(name, text)?),
            PEERS => {
                self.stored.peers = text.lines().map(|line| parsed(name, line)).collect::<Result<_, _>>()?;
                self.stored.peers.sort_unstable();
                self.stored.peers.dedup();
            }
            CONTACTS => {
                self.stored.contacts = text.lines().map(contact).collect::<Result<_, _>>()?;
                self.stored.contacts.sort();
                self.stored.contacts.dedup();
            }
            name => return Err(format!("the row `{name}` is unknown")),
        }
        Ok(())
    }

    /// Adds a row of the table `records`. Rows come in the order of their keys.
    pub(super) fn record(&mut self, row: &[u8], value: &[u8]) -> Result<(), String> {
        let (name, record) =
            record(value).map_err(|why| format!("the record {} {why}", row.escape_ascii()))?;
        if key(&name, record.member()) != row {
            let member = record.member();
            return Err(format!("the record {} is {member}'s in {name}", row.escape_ascii()));
        }
        match &mut self.group {
            Some((group, records)) if *group == name => records.push(record),
            _ => {
                self.close_group();
                self.group = Some((name, vec![record]));
            }
        }
        Ok(())
    }

    /// The state of all added rows.
    pub(super) fn end(mut self) -> StoredState {
        self.close_group();
        self.stored
    }

    fn close_group(&mut self) {
        let group = self.group.take();
        self.stored.groups.extend(group.map(|(name, records)| GroupState::from_records(name, records)));
    }
}

fn key(group: &GroupName, member: NetId) -> Vec<u8> {
    let mut key = group.as_str().as_bytes().to_vec();
    key.push(0);
    match member.ip() {
        IpAddr::V4(ip) => {
            key.push(4);
            key.extend_from_slice(&ip.octets());
        }
        IpAddr::V6(ip) => {
            key.push(6);
            key.extend_from_slice(&ip.octets());
        }
    }
    key.extend_from_slice(&member.port().to_be_bytes());
    key
}

fn value(group: &GroupName, record: &Record) -> Result<Vec<u8>, PayloadError> {
    let body = Body::GroupUpdate(GroupUpdate {
        name: group.clone(),
        updates: vec![MemberUpdate::Record(record.clone())],
    });
    let mut bytes = Vec::new();
    Payload::encode_parts(&header(record.member()), &body, &LIMITS, &mut bytes)?;
    Ok(bytes)
}

fn record(value: &[u8]) -> Result<(GroupName, Record), String> {
    let payload = Payload::decode(value, &LIMITS).map_err(|error| format!("cannot be read: {error}"))?;
    let Body::GroupUpdate(GroupUpdate { name, updates: parts }) = payload.body else {
        return Err("is not a record".to_owned());
    };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(MemberUpdate::Record(record)), None) if payload.header == header(record.member()) => {
            Ok((name, record))
        }
        _ => Err("is not a record".to_owned()),
    }
}

/// The header of a stored record: a direct payload of its member, without anything else.
fn header(sender: NetId) -> Header {
    let (heard, lost, sections) = (Vec::new(), Vec::new(), Vec::new());
    Header {
        sender,
        routing: Routing::Direct,
        multicast_sequence: None,
        island: None,
        neighbors_gained: heard,
        neighbors_lost: lost,
        extensions: sections,
    }
}

fn lines(texts: impl Iterator<Item = String>) -> String {
    texts.fold(String::new(), |mut all, text| {
        // Writing to a string cannot fail.
        let _ = writeln!(all, "{text}");
        all
    })
}

fn contact(line: &str) -> Result<(GroupName, NetId), String> {
    let (member, group) = line.split_once(' ').ok_or("a row of `contacts` has no group")?;
    Ok((parsed(CONTACTS, group)?, parsed(CONTACTS, member)?))
}

fn parsed<T: FromStr<Err: ToString>>(row: &str, text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| format!("the row `{row}`: {}", error.to_string()))
}
