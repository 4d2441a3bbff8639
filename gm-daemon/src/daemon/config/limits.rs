//! Limits of the node and of the control socket, and their settings.

use std::str::FromStr;
use std::time::Duration;

use gm_node::NodeLimits;

use super::resolved::SettingsReader;
use crate::cli::args::parse_duration;

/// The limits of the node and of its control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DaemonLimits {
    /// Limits of the node.
    pub(crate) node: NodeLimits,
    /// Maximum number of connections of the control socket, including watchers.
    pub(crate) max_connections: usize,
    /// Time limit for a client to send its request, and to read more of the answer.
    pub(crate) api_timeout: Duration,
}

/// A limit of the node that is a setting.
struct LimitSetting {
    setting: &'static str,
    /// Name of the field of [`NodeLimits`].
    field: &'static str,
    limit: fn(&mut NodeLimits) -> &mut usize,
    /// Whether the value is in bytes.
    is_size: bool,
}

const fn count(
    setting: &'static str,
    field: &'static str,
    of: fn(&mut NodeLimits) -> &mut usize,
) -> LimitSetting {
    LimitSetting { setting, field, limit: of, is_size: false }
}

/// The limits of the node that are settings.
const LIMIT_SETTINGS: [LimitSetting; 9] = [
    count("max-watchers", "watchers", |limits| &mut limits.watchers),
    count("max-groups", "groups", |limits| &mut limits.groups),
    count("max-known-groups", "contacts", |limits| &mut limits.contacts),
    count("max-records", "records", |limits| &mut limits.records),
    count("max-ranges", "items", |limits| &mut limits.items),
    count("max-group-ranges", "group_items", |limits| &mut limits.group_items),
    count("max-writes", "writes", |limits| &mut limits.writes),
    count("max-waits", "waits", |limits| &mut limits.waits),
    LimitSetting {
        setting: "watch-memory",
        field: "watch_bytes",
        limit: |limits| &mut limits.watch_bytes,
        is_size: true,
    },
];

/// Setting of a limit, given the field of [`NodeLimits`]; `None` if it has none.
pub(crate) fn setting_for(field: &str) -> Option<&'static str> {
    LIMIT_SETTINGS.iter().find(|limit| limit.field == field).map(|limit| limit.setting)
}

/// Describes a limit of a group's size, with its setting if it has one.
pub(crate) fn limit_text(field: &str) -> String {
    let what = match field {
        "items" => "ranges of one member",
        "group_items" => "ranges of all members",
        "records" => "records of present, former and forgotten members",
        other => other,
    };
    setting_for(field).map_or_else(|| what.to_owned(), |setting| format!("{what}, `{setting}`"))
}

impl DaemonLimits {
    pub(super) const DEFAULT: DaemonLimits = DaemonLimits {
        node: NodeLimits::DEFAULT,
        max_connections: 1_280,
        api_timeout: Duration::from_secs(60),
    };

    /// Describes a conflict between the limits.
    pub(super) fn conflict(&self) -> Option<String> {
        (self.node.watchers >= self.max_connections).then(|| {
            format!(
                "`max-watchers` is {}, and `max-connections` {}: each watcher has a connection, and commands need some too. Increase `max-connections`",
                self.node.watchers, self.max_connections
            )
        })
    }
}

/// A number, at least 1.
pub(super) struct CountValue(pub(super) usize);

impl FromStr for CountValue {
    type Err = String;

    fn from_str(text: &str) -> Result<CountValue, String> {
        let number = text.parse().ok().filter(|number| (1..=MAX_COUNT).contains(number));
        number.map(CountValue).ok_or_else(|| format!("not a number from 1 to {MAX_COUNT}"))
    }
}

/// Maximum of such a number.
const MAX_COUNT: usize = 1_000_000_000;

/// A size in bytes: `67108864`, `64MiB`.
pub(super) struct SizeValue(pub(super) usize);

impl FromStr for SizeValue {
    type Err = String;

    fn from_str(text: &str) -> Result<SizeValue, String> {
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
        bytes.map(SizeValue).ok_or_else(|| "not a size: write bytes, or 512KiB, 64MiB, 1GiB".to_owned())
    }
}

/// A duration greater than zero.
pub(super) struct DurationValue(pub(super) Duration);

impl FromStr for DurationValue {
    type Err = String;

    fn from_str(text: &str) -> Result<DurationValue, String> {
        let time = parse_duration(text)?;
        if time.is_zero() { Err("it must be greater than zero".to_owned()) } else { Ok(DurationValue(time)) }
    }
}

/// Reads the limits from the settings.
pub(super) fn limits(reader: &mut SettingsReader<'_>) -> DaemonLimits {
    let mut limits = DaemonLimits::DEFAULT;
    for LimitSetting { setting, limit: of, is_size, .. } in &LIMIT_SETTINGS {
        let value = if *is_size {
            reader.value(setting).map(|SizeValue(bytes)| bytes)
        } else {
            reader.value(setting).map(|CountValue(count)| count)
        };
        let limit = of(&mut limits.node);
        *limit = value.unwrap_or(*limit);
    }
    limits.max_connections =
        reader.value("max-connections").map_or(limits.max_connections, |CountValue(count)| count);
    limits.api_timeout = reader.value("api-timeout").map_or(limits.api_timeout, |DurationValue(time)| time);
    if let Some(conflict) = limits.conflict() {
        reader.usage_error(conflict);
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
        let bytes = |text| read::<SizeValue>(text).map(|SizeValue(bytes)| bytes);
        assert_eq!((bytes("1"), bytes("512KiB"), bytes("64MiB")), (Some(1), Some(512 << 10), Some(64 << 20)));
        for wrong in
            ["", "0", "MiB", "-1", "1.5MiB", "1MB", "64 MiB", "99999999999999999999", "99999999999GiB"]
        {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        let count = |text| read::<CountValue>(text).map(|CountValue(count)| count);
        assert_eq!((count("1"), count("0"), count("1000000001"), count("+x")), (Some(1), None, None, None));
        let time = |text| read::<DurationValue>(text).map(|DurationValue(time)| time);
        assert_eq!((time("5s"), time("0s"), time("5")), (Some(Duration::from_secs(5)), None, None));
    }

    #[test]
    fn watchers_leave_room_for_commands() {
        assert_eq!(DaemonLimits::DEFAULT.conflict(), None);
        let limits = NodeLimits { watchers: 5, ..NodeLimits::DEFAULT };
        let full = DaemonLimits { max_connections: 5, node: limits, ..DaemonLimits::DEFAULT };
        assert!(full.conflict().unwrap().contains("`max-connections`"));
    }
    #[test]
    fn shown_defaults_are_the_real_ones() {
        let shown = |setting: &str| super::super::schema::find_setting(setting).unwrap().default;
        for LimitSetting { setting, limit: of, is_size, .. } in &LIMIT_SETTINGS {
            let default = *of(&mut NodeLimits::DEFAULT.clone());
            let read = if *is_size {
                read(shown(setting)).map(|SizeValue(bytes)| bytes)
            } else {
                read(shown(setting)).map(|CountValue(count)| count)
            };
            assert_eq!(read, Some(default), "{setting}");
        }
        assert_eq!(
            read(shown("max-connections")).map(|CountValue(count)| count),
            Some(DaemonLimits::DEFAULT.max_connections)
        );
        assert_eq!(
            read(shown("api-timeout")).map(|DurationValue(time)| time),
            Some(DaemonLimits::DEFAULT.api_timeout)
        );
    }
}
