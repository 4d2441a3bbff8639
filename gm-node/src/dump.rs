//! All that is stored, as text that people can read: to look at it, to keep it, to bring it back.
//! Knows nothing of how it is stored.

use std::path::Path;

use gm_clock::NetId;
use gm_data::{GroupName, GroupState};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::store::StoredState;
use crate::store::disk::{self, OpenError};

/// Version of the text. A later one is refused.
pub const FORMAT: u64 = 1;

/// All that is stored, in the form in which it is written as text. Groups are in the order of their
/// names, members and items in theirs: what is equal has equal texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dump {
    /// Version of this form.
    pub format: u64,
    /// Whose storage it is.
    pub me: Option<NetId>,
    /// All records, with their floors, with what their lives were opened from, and with the
    /// removals that are kept.
    pub groups: Vec<GroupState>,
    /// Groups of which only a member is known.
    pub contacts: Vec<DumpedContact>,
    /// Nodes that were reached.
    pub peers: Vec<NetId>,
}

/// A group of which only a member is known.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DumpedContact {
    /// The group.
    pub group: GroupName,
    /// The member.
    pub member: NetId,
}

/// Why a text is not a dump.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DumpError {
    /// It is not JSON, or not all of what is said in it can be.
    #[error("the dump is wrong at line {line}, column {column}: {what}")]
    Malformed {
        /// The line, from 1 on.
        line: usize,
        /// The column, from 1 on; 0 if it is the end of the line before.
        column: usize,
        /// What is wrong there.
        what: String,
    },
    /// It was written by a later version.
    #[error(
        "the dump has the format {found}, and this program knows formats up to {known}: restore it with the version that wrote it"
    )]
    Newer {
        /// Its format.
        found: u64,
        /// The latest that is known here.
        known: u64,
    },
    /// A group is in it twice.
    #[error("the dump has the group {group:?} twice")]
    Twice {
        /// The group.
        group: GroupName,
    },
}

impl Dump {
    /// The dump of that.
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

    /// What is to be stored.
    #[must_use]
    pub fn to_stored(&self) -> StoredState {
        let mut sorted = self.clone();
        sorted.sort();
        let Dump { me, groups, contacts, peers, .. } = sorted;
        let contacts = contacts.into_iter().map(|contact| (contact.group, contact.member)).collect();
        StoredState { me, groups, contacts, peers, suspected_loss: None }
    }

    /// As JSON, over many lines, with a newline at its end.
    ///
    /// # Errors
    /// None that is known: what is in a dump can be said in JSON.
    pub fn to_json(&self) -> Result<String, DumpError> {
        let mut text = serde_json::to_string_pretty(self).map_err(|error| malformed(&error))?;
        text.push('\n');
        Ok(text)
    }

    /// Reads JSON. Everything is checked as what comes from the wire is.
    ///
    /// # Errors
    /// A [`DumpError`], the version first.
    pub fn from_json(text: &str) -> Result<Dump, DumpError> {
        /// What is the same in every version.
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

/// The dump of a directory that no process uses. Changes nothing there.
///
/// # Errors
/// An [`OpenError`]: a process uses it, there is nothing, or what is there cannot be read.
pub fn dump(dir: &Path) -> Result<Dump, OpenError> {
    disk::read(dir).map(|stored| Dump::of(&stored))
}

/// Makes a directory that holds what the dump does, wholly or not at all. The directory may be
/// there already, a database in it may not.
///
/// # Errors
/// An [`OpenError`]: there is a database already, a process uses the directory, or what the system
/// said.
pub fn restore(dump: &Dump, dir: &Path) -> Result<(), OpenError> {
    disk::write(dir, &dump.to_stored())
}

fn malformed(error: &serde_json::Error) -> DumpError {
    let what = error.to_string();
    // It says the place at its end too.
    let what = what.split(" at line ").next().unwrap_or(&what).to_owned();
    DumpError::Malformed { line: error.line(), column: error.column(), what }
}
