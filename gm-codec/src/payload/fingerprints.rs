//! Fingerprints for anti-entropy (Demers et al. 1987): one root over all groups (tag 8), and group
//! by group (tag 9).

use gm_clock::NetId;
use gm_data::GroupName;

use super::reader::Reader;
use super::table::Table;
use super::table_refs::{TableRefs, encode_node};
use super::trace::{Trace, hex};
use super::{PayloadError, check, names};
use crate::Limits;
use crate::varint;

/// Hash over all groups that sender and receiver share, as far as the sender knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Root {
    /// Whether this answers a root.
    pub answer: bool,
    /// The hash.
    pub root: u128,
}

/// Fingerprints of groups, and contacts of groups that the sender does not host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fingerprints {
    /// Whether this answers a message of the same tag.
    pub answer: bool,
    /// Lower bound of the names, exclusive. The message covers all groups within the bounds.
    pub after: Option<GroupName>,
    /// Upper bound of the names, inclusive; greater than `after`.
    pub until: Option<GroupName>,
    /// The entries, sorted by name, without duplicates, all within the bounds.
    pub groups: Vec<(GroupName, GroupEntry)>,
}

/// An entry for a group, from the sender's point of view.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupEntry {
    /// The sender hosts the group: its fingerprint.
    Hosted(u128),
    /// The sender does not host the group: a contact, from which the receiver can learn more.
    Contact(NetId),
}

mod flag {
    pub(super) const ANSWER: u64 = 1;
    pub(super) const AFTER: u64 = 1 << 1;
    pub(super) const UNTIL: u64 = 1 << 2;
    pub(super) const KNOWN: [(u64, &str); 3] = [(ANSWER, "answer"), (AFTER, "after"), (UNTIL, "until")];
}

mod code {
    pub(super) const CONTACT: u8 = 0;
    pub(super) const HOSTED: u8 = 1;
}

/// Minimum length of an entry in bytes: length of the name, name, code, position.
const MIN_GROUP_BYTES: usize = 4;

impl Root {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        out.push(self.answer.into());
        out.extend_from_slice(&self.root.to_be_bytes());
    }

    pub(super) fn decode<T: Trace>(reader: &mut Reader<'_, T>) -> Result<Root, PayloadError> {
        let answer = match reader.byte("answer")? {
            0 => false,
            1 => true,
            code => return Err(PayloadError::UnknownCode { what: "answer", code: code.into() }),
        };
        Ok(Root { answer, root: u128::from_be_bytes(reader.array("root")?) })
    }
}

impl Fingerprints {
    /// Whether the bounds are in order.
    fn bounds_in_order(after: Option<&GroupName>, until: Option<&GroupName>) -> bool {
        after.zip(until).is_none_or(|(after, until)| after < until)
    }

    /// Whether a name is above the one before and within the bounds.
    fn may_follow(&self, name: &GroupName, before: Option<&GroupName>) -> bool {
        before.or(self.after.as_ref()).is_none_or(|before| name > before)
            && self.until.as_ref().is_none_or(|until| name <= until)
    }

    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::at_most("groups", self.groups.len(), limits.nodes)?;
        let before = [None].into_iter().chain(self.groups.iter().map(|(name, _)| Some(name)));
        if Self::bounds_in_order(self.after.as_ref(), self.until.as_ref())
            && self.groups.iter().zip(before).all(|((name, _), before)| self.may_follow(name, before))
        {
            return Ok(());
        }
        Err(PayloadError::Unsorted { what: "groups" })
    }

    pub(super) fn collect_nodes(&self, nodes: &mut Vec<NetId>) {
        nodes.extend(self.groups.iter().filter_map(|(_, entry)| match entry {
            GroupEntry::Hosted(_) => None,
            GroupEntry::Contact(member) => Some(*member),
        }));
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        let flags = [
            (flag::ANSWER, self.answer),
            (flag::AFTER, self.after.is_some()),
            (flag::UNTIL, self.until.is_some()),
        ];
        varint::write(flags.iter().filter(|(_, set)| *set).map(|(flag, _)| flag).sum(), out);
        for name in self.after.iter().chain(&self.until) {
            names::encode_text(name.as_str(), out);
        }
        varint::write(self.groups.len() as u64, out);
        for (name, entry) in &self.groups {
            names::encode_text(name.as_str(), out);
            match entry {
                GroupEntry::Hosted(fingerprint) => {
                    out.push(code::HOSTED);
                    out.extend_from_slice(&fingerprint.to_be_bytes());
                }
                GroupEntry::Contact(member) => {
                    out.push(code::CONTACT);
                    encode_node(table, *member, out);
                }
            }
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
        limits: &Limits,
    ) -> Result<Fingerprints, PayloadError> {
        let flags = reader.flags("flags", &flag::KNOWN)?;
        let has = |flag: u64| flags & flag != 0;
        let after = has(flag::AFTER).then(|| names::decode_group_name(reader, "after")).transpose()?;
        let until = has(flag::UNTIL).then(|| names::decode_group_name(reader, "until")).transpose()?;
        if !Self::bounds_in_order(after.as_ref(), until.as_ref()) {
            return Err(PayloadError::Unsorted { what: "bounds" });
        }
        let count = reader.count("groups", limits.nodes)?;
        let groups = Vec::with_capacity(reader.capacity_for(count, MIN_GROUP_BYTES));
        let mut message = Fingerprints { answer: has(flag::ANSWER), after, until, groups };
        for _ in 0..count {
            let name = names::decode_group_name(reader, "name")?;
            if !message.may_follow(&name, message.groups.last().map(|(name, _)| name)) {
                return Err(PayloadError::Unsorted { what: "groups" });
            }
            let entry = match reader.byte_as("code", |code| match code {
                code::CONTACT => "contact".to_owned(),
                code::HOSTED => "hosted".to_owned(),
                code => code.to_string(),
            })? {
                code::CONTACT => GroupEntry::Contact(refs.node(reader, "contact")?),
                code::HOSTED => {
                    let bytes = reader.bytes_as("fingerprint", 16, hex)?;
                    GroupEntry::Hosted(bytes.iter().fold(0, |number, byte| number << 8 | u128::from(*byte)))
                }
                code => return Err(PayloadError::UnknownCode { what: "group entry", code: code.into() }),
            };
            message.groups.push((name, entry));
        }
        Ok(message)
    }
}
