//! Serialized form of a [`Change`].

use alloc::string::{String, ToString};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{Change, DEFAULT_PRIORITY, Item, KeyRange, PriorityChange};

/// The fields of a [`Change`] before they are checked. A range is its first and its last key, and a
/// change of a priority is a text. `do` names the change, so the format must be self-describing.
#[derive(Serialize, Deserialize)]
#[serde(tag = "do", rename = "Change", rename_all = "kebab-case", deny_unknown_fields)]
enum ChangeParts {
    Serve {
        start: u32,
        end: u32,
        /// Not left out by mistake: `None` stands for the member's default port.
        #[serde(deserialize_with = "Option::deserialize")]
        port: Option<u16>,
        /// Default: [`DEFAULT_PRIORITY`].
        #[serde(default)]
        priority: Option<u16>,
    },
    Unserve {
        start: u32,
        end: u32,
    },
    Interest {
        start: u32,
        end: u32,
    },
    Priority {
        start: u32,
        end: u32,
        priority: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        port: Option<u16>,
    },
    Put {
        item: Item,
    },
}

impl From<&Change> for ChangeParts {
    fn from(change: &Change) -> ChangeParts {
        let ends = |range: KeyRange| (range.start(), range.end());
        let of_priority = |range, change: PriorityChange, port| {
            let (start, end) = ends(range);
            ChangeParts::Priority { start, end, priority: change.to_string(), port }
        };
        match *change {
            Change::Serve { range, port, priority } => {
                let (start, end) = ends(range);
                ChangeParts::Serve { start, end, port, priority: Some(priority) }
            }
            Change::Unserve(range) => ChangeParts::Unserve { start: range.start(), end: range.end() },
            Change::Interest(range) => ChangeParts::Interest { start: range.start(), end: range.end() },
            Change::Priority { range, priority } => of_priority(range, PriorityChange::Set(priority), None),
            Change::Raise { range, by, port } => of_priority(range, PriorityChange::Raise(by), port),
            Change::Lower { range, by } => of_priority(range, PriorityChange::Lower(by), None),
            Change::Put(item) => ChangeParts::Put { item },
        }
    }
}

/// Serialized as a structure with the field `do`.
impl Serialize for Change {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ChangeParts::from(self).serialize(serializer)
    }
}

/// Only a priority that is raised may have a port.
impl<'de> Deserialize<'de> for Change {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Change, D::Error> {
        let range = |start, end| KeyRange::new(start, end).map_err(D::Error::custom);
        Ok(match ChangeParts::deserialize(deserializer)? {
            ChangeParts::Serve { start, end, port, priority } => Change::Serve {
                range: range(start, end)?,
                port,
                priority: priority.unwrap_or(DEFAULT_PRIORITY),
            },
            ChangeParts::Unserve { start, end } => Change::Unserve(range(start, end)?),
            ChangeParts::Interest { start, end } => Change::Interest(range(start, end)?),
            ChangeParts::Priority { start, end, priority, port } => {
                let change = priority.parse::<PriorityChange>().map_err(D::Error::custom)?;
                match (change.of_range(range(start, end)?), port) {
                    (Change::Raise { range, by, .. }, port) => Change::Raise { range, by, port },
                    (change, None) => change,
                    (_, Some(_)) => {
                        return Err(D::Error::unknown_field("port", &["start", "end", "priority"]));
                    }
                }
            }
            ChangeParts::Put { item } => Change::Put(item),
        })
    }
}
