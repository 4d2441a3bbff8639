//! What is stored as what: batches as rows, rows as what was stored. Knows nothing of the file that
//! rows are in.
//!
//! - The table `records` has a row per record. Its key is the group's name, a zero byte, which no
//!   name has, and the member: 4 or 6 for the kind of address, the address, the port. So rows are
//!   in the order of groups and members. Its value is the payload that a member would send of its
//!   own record to one node: reading it checks everything that is checked of what the wire brings.
//! - The table `node` has a row for each other thing, as text: `format` and `me`; `peers`, one a
//!   line; `contacts`, a line each of member, a space, and group.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::str::FromStr;

use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate, Header, Limits, MemberUpdate, Payload, PayloadError, Routing};
use gm_data::{GroupName, GroupState, Record};

use super::super::{Batch, StoredState};

/// In which table a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Table {
    Node,
    Records,
}

/// Rows to be written, by table and key; nothing where the row is to be removed. The last write of
/// a row is the only one.
pub(super) type Rows = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

pub(super) const FORMAT_ROW: &str = "format";
const ME: &str = "me";
const PEERS: &str = "peers";
const CONTACTS: &str = "contacts";

/// Limits are those of the wire, and these the widest that a node can be configured with.
const LIMITS: Limits = Limits { nodes: 1 << 24, items: 1 << 28, ..Limits::DEFAULT };

/// The rows of a batch. What is dropped is dropped first: a record that is in the batch too is
/// there afterwards.
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

/// The rows of all that was stored.
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

/// Gathers what was stored out of rows. What is wrong is said in words.
#[derive(Debug, Default)]
pub(super) struct RowReader {
    stored: StoredState,
    group: Option<(GroupName, Vec<Record>)>,
}

impl RowReader {
    /// Takes a row of the table `node`.
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

    /// Takes a row of the table `records`. They come in the order of their keys.
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

    /// All that was taken.
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
        return Err("is none".to_owned());
    };
    let mut parts = parts.into_iter();
    match (parts.next(), parts.next()) {
        (Some(MemberUpdate::Record(record)), None) if payload.header == header(record.member()) => {
            Ok((name, record))
        }
        _ => Err("is none".to_owned()),
    }
}

/// What stands before a record: that of a payload from its member to one node, and nothing else.
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
        // Writing to a text cannot fail.
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
