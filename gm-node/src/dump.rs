//! Dump and restore: the whole content of a store as JSON, for reading, backup and repair.

use std::path::Path;

use gm_clock::NetId;
use gm_data::{GroupName, GroupState};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::store::StoredState;
use crate::store::disk::{self, OpenError};

/// Version of the dump format. A later one is refused.
pub const FORMAT: u64 = 1;

/// The whole content of a store. Groups are sorted by name, members and items in their own order,
/// so equal stores have equal dumps.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dump {
    /// Version of the dump format.
    pub format: u64,
    /// Identity of the node that wrote the store.
    pub me: Option<NetId>,
    /// Records of all groups, with their floors, the origin of their incarnations, and retained
    /// removals.
    pub groups: Vec<GroupState>,
    /// Contacts: one member of each group that is not hosted.
    pub contacts: Vec<DumpedContact>,
    /// Peers that were reached.
    pub peers: Vec<NetId>,
}

/// A contact: a member of a group that is not hosted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DumpedContact {
    /// The group.
    pub group: GroupName,
    /// The member.
    pub member: NetId,
}

/// Reason why a text is not a dump.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DumpError {
    /// The text is not JSON, or a value in it is invalid.
    #[error("invalid dump at line {line}, column {column}: {what}")]
    Malformed {
        /// Line, counted from 1.
        line: usize,
        /// Column, counted from 1; 0 means the end of the previous line.
        column: usize,
        /// Description of the error.
        what: String,
    },
    /// The dump was written by a later version.
    #[error(
        "the dump has the format {found}, and this program reads formats up to {known}: restore it with the version that wrote it"
    )]
    Newer {
        /// Format of the dump.
        found: u64,
        /// Latest format that this version reads.
        known: u64,
    },
    /// A group occurs twice.
    #[error("the dump contains the group {group:?} twice")]
    Twice {
        /// The group.
        group: GroupName,
    },
}

impl Dump {
    /// The dump of a store's content.
    #[must_use]
    pub fn of(stored: &StoredState) -> Dump {
        let contact =
            |(group, member): &(GroupName, NetId)| DumpedContact { group: group.clone(), member: *member };
        let mut dump = Dump {
            format: FORMAT,
            me: stored.me,
            groups: stored.groups.clone(),
            contacts: stored.contacts.iter().map(contact).collect(),
            peers: stored.peers.clone(),
        };
        dump.sort();
        dump
    }

    /// The content of a store that corresponds to this dump.
    #[must_use]
    pub fn to_stored(&self) -> StoredState {
        let mut sorted = self.clone();
        sorted.sort();
        let Dump { me, groups, contacts, peers, .. } = sorted;
        let contacts = contacts.into_iter().map(|contact| (contact.group, contact.member)).collect();
        StoredState { me, groups, contacts, peers, suspected_loss: None }
    }

    /// The dump as pretty-printed JSON, with a newline at the end.
    ///
    /// # Errors None known: every dump can be written as JSON.
    pub fn to_json(&self) -> Result<String, DumpError> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| malformed(&error))?;
        text.push('\n');
        Ok(text)
    }

    /// Parses JSON. Every value is checked like input from the network.
    ///
    /// # Errors A [`DumpError`]; the version is checked first.
    pub fn from_json(text: &str) -> Result<Dump, DumpError> {
        /// The part that is the same in every version.
        #[derive(Deserialize)]
        struct FormatOnly {
            format: u64,
        }

        let FormatOnly { format: found } = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        if found > FORMAT {
            return Err(DumpError::Newer { found, known: FORMAT });
        }
        let mut dump: Dump = serde_json::from_str(text).map_err(|error| malformed(&error))?;
        dump.sort();
        match dump.groups.windows(2).find(|pair| pair[0].name() == pair[1].name()) {
            Some(pair) => Err(DumpError::Twice { group: pair[0].name().clone() }),
            None => Ok(dump),
        }
    }

    fn sort(&mut self) {
        self.groups.sort_by(|a, b| a.name().cmp(b.name()));
        self.contacts.sort();
        self.contacts.dedup();
        self.peers.sort_unstable();
        self.peers.dedup();
    }
}

/// Dumps a data directory that no process uses. The directory is not changed.
///
/// # Errors An [`OpenError`]: a process uses the directory, it is empty, or its content cannot be
/// read.
pub fn dump(dir: &Path) -> Result<Dump, OpenError> {
    disk::read(dir).map(|stored| Dump::of(&stored))
}

/// Writes a dump into a new data directory, completely or not at all. The directory may exist, but
/// must not contain a database.
///
/// # Errors An [`OpenError`]: a database exists, a process uses the directory, or the system
/// reported an error.
pub fn restore(dump: &Dump, dir: &Path) -> Result<(), OpenError> {
    disk::write(dir, &dump.to_stored())
}

fn malformed(error: &serde_json::Error) -> DumpError {
    let what = error.to_string();
    // serde_json appends the position to the message.
    let what = what.split(" at line ").next().unwrap_or(&what).to_owned();
    DumpError::Malformed { line: error.line(), column: error.column(), what }
}
