//! How much the daemon holds, and for how long it waits for who asks it. Knows no socket.

use std::str::FromStr;
use std::time::Duration;

use gm_node::NodeLimits;

use super::effective::Reader;
use crate::cli::args::duration;

/// The limits of the node and of its control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of the node.
    pub(crate) bounds: NodeLimits,
    /// Connections of the control socket, those of watchers too.
    pub(crate) connections: usize,
    /// How long a client may take to send its request, and to take more of an answer.
    pub(crate) patience: Duration,
}

/// A bound of the node that is a setting.
struct Bound {
    setting: &'static str,
    /// The field of [`NodeLimits`].
    field: &'static str,
    of: fn(&mut NodeLimits) -> &mut usize,
    /// In bytes.
    is_size: bool,
}

const fn count(setting: &'static str, field: &'static str, of: fn(&mut NodeLimits) -> &mut usize) -> Bound {
    Bound { setting, field, of, is_size: false }
}

/// All of them.
const BOUNDS: [Bound; 9] = [
    count("max-watchers", "watchers", |bounds| &mut bounds.watchers),
    count("max-groups", "groups", |bounds| &mut bounds.groups),
    count("max-known-groups", "contacts", |bounds| &mut bounds.contacts),
    count("max-records", "records", |bounds| &mut bounds.records),
    count("max-ranges", "items", |bounds| &mut bounds.items),
    count("max-group-ranges", "group_items", |bounds| &mut bounds.group_items),
    count("max-writes", "writes", |bounds| &mut bounds.writes),
    count("max-waits", "waits", |bounds| &mut bounds.waits),
    Bound {
        setting: "watch-memory",
        field: "watch_bytes",
        of: |bounds| &mut bounds.watch_bytes,
        is_size: true,
    },
];

/// The setting of a bound of the node, by its field; nothing if it has none.
pub(crate) fn setting_of(field: &str) -> Option<&'static str> {
    BOUNDS.iter().find(|bound| bound.field == field).map(|bound| bound.setting)
}

/// What is limited by a bound that keeps something out of a group, in words, with the setting if there is one.
pub(crate) fn reached(field: &str) -> String {
    let what = match field {
        "items" => "ranges of one member",
        "group_items" => "ranges of all members",
        "records" => "records of members, of who left and of the forgotten",
        other => other,
    };
    setting_of(field).map_or_else(|| what.to_owned(), |setting| format!("{what}, `{setting}`"))
}

impl Limits {
    pub(super) const DEFAULT: Limits =
        Limits { bounds: NodeLimits::DEFAULT, connections: 1_280, patience: Duration::from_secs(60) };

    /// What is wrong between them.
    pub(super) fn trouble(&self) -> Option<String> {
        (self.bounds.watchers >= self.connections).then(|| {
            format!(
                "`max-watchers` is {}, and `max-connections` {}: each watcher holds a connection, and some have to be left for commands. Set `max-connections` to more",
                self.bounds.watchers, self.connections
            )
        })
    }
}

/// A number of things, 1 at least.
pub(super) struct Count(pub(super) usize);

impl FromStr for Count {
    type Err = String;

    fn from_str(text: &str) -> Result<Count, String> {
        let number = text.parse().ok().filter(|number| (1..=MOST).contains(number));
        number.map(Count).ok_or_else(|| format!("not a number from 1 to {MOST}"))
    }
}

/// The greatest number of anything.
const MOST: usize = 1_000_000_000;

/// Bytes: `67108864`, `64MiB`.
pub(super) struct Bytes(pub(super) usize);

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Bytes, String> {
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(at);
        let shift = match unit {
            "" => Some(0),
            "KiB" => Some(10),
            "MiB" => Some(20),
            "GiB" => Some(30),
            _ => None,
        };
        let bytes = number
            .parse::<usize>()
            .ok()
            .zip(shift)
            .and_then(|(number, shift)| number.checked_mul(1 << shift));
        let bytes = bytes.filter(|bytes| *bytes > 0 && *bytes <= isize::MAX as usize);
        bytes.map(Bytes).ok_or_else(|| "not a size: bytes, or 512KiB, 64MiB, 1GiB".to_owned())
    }
}

/// A time that is not zero.
pub(super) struct Time(pub(super) Duration);

impl FromStr for Time {
    type Err = String;

    fn from_str(text: &str) -> Result<Time, String> {
        let time = duration(text)?;
        if time.is_zero() { Err("it must be more than nothing".to_owned()) } else { Ok(Time(time)) }
    }
}

/// What the settings say.
pub(super) fn limits(reader: &mut Reader<'_>) -> Limits {
    let mut limits = Limits::DEFAULT;
    for Bound { setting, of, is_size, .. } in &BOUNDS {
        let said = if *is_size {
            reader.one(setting).map(|Bytes(bytes)| bytes)
        } else {
            reader.one(setting).map(|Count(count)| count)
        };
        let bound = of(&mut limits.bounds);
        *bound = said.unwrap_or(*bound);
    }
    limits.connections = reader.one("max-connections").map_or(limits.connections, |Count(count)| count);
    limits.patience = reader.one("api-timeout").map_or(limits.patience, |Time(time)| time);
    if let Some(trouble) = limits.trouble() {
        reader.usage(trouble);
    }
    limits
}

#[cfg(test)]
mod tests {
    use std::fmt::Display;

    use super::*;

    fn read<T: FromStr<Err: Display>>(text: &str) -> Option<T> {
        text.parse().ok()
    }

    #[test]
    fn sizes_and_counts_and_times_are_read_or_refused() {
        let bytes = |text| read::<Bytes>(text).map(|Bytes(bytes)| bytes);
        assert_eq!((bytes("1"), bytes("512KiB"), bytes("64MiB")), (Some(1), Some(512 << 10), Some(64 << 20)));
        for wrong in
            ["", "0", "MiB", "-1", "1.5MiB", "1MB", "64 MiB", "99999999999999999999", "99999999999GiB"]
        {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        let count = |text| read::<Count>(text).map(|Count(count)| count);
        assert_eq!((count("1"), count("0"), count("1000000001"), count("+x")), (Some(1), None, None, None));
        let time = |text| read::<Time>(text).map(|Time(time)| time);
        assert_eq!((time("5s"), time("0s"), time("5")), (Some(Duration::from_secs(5)), None, None));
    }

    #[test]
    fn watchers_leave_room_for_commands() {
        assert_eq!(Limits::DEFAULT.trouble(), None);
        let bounds = NodeLimits { watchers: 5, ..NodeLimits::DEFAULT };
        let full = Limits { connections: 5, bounds, ..Limits::DEFAULT };
        assert!(full.trouble().unwrap().contains("`max-connections`"));
    }
    #[test]
    fn the_defaults_that_are_shown_are_those_that_count() {
        let shown = |setting: &str| super::super::known::of_name(setting).unwrap().default;
        for Bound { setting, of, is_size, .. } in &BOUNDS {
            let default = *of(&mut NodeLimits::DEFAULT.clone());
            let read = if *is_size {
                read(shown(setting)).map(|Bytes(bytes)| bytes)
            } else {
                read(shown(setting)).map(|Count(count)| count)
            };
            assert_eq!(read, Some(default), "{setting}");
        }
        assert_eq!(
            read(shown("max-connections")).map(|Count(count)| count),
            Some(Limits::DEFAULT.connections)
        );
        assert_eq!(read(shown("api-timeout")).map(|Time(time)| time), Some(Limits::DEFAULT.patience));
    }
}
