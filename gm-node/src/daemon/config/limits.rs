//! How much the control socket may hold, and for how long. Knows no socket.

use std::str::FromStr;
use std::time::Duration;

use crate::cli::args::duration;

/// The limits of the control socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections, those of watchers too.
    pub(crate) connections: usize,
    /// Watchers.
    pub(crate) watchers: usize,
    /// Bytes that are kept for watchers which have not taken what changed.
    pub(crate) watch_bytes: usize,
    /// How long a client may take to send its request, and to take more of an answer.
    pub(crate) patience: Duration,
}

impl Limits {
    pub(super) const DEFAULT: Limits = Limits {
        connections: 1_280,
        watchers: gm_node::Bounds::DEFAULT.watchers,
        watch_bytes: gm_node::Bounds::DEFAULT.watch_bytes,
        patience: Duration::from_secs(60),
    };

    /// What is wrong between them.
    pub(super) fn trouble(&self) -> Option<String> {
        (self.watchers >= self.connections).then(|| {
            format!(
                "`max-watchers` is {}, and `max-connections` {}: each watcher holds a connection, and some have to be left for commands. Set `max-connections` to more",
                self.watchers, self.connections
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

/// The greatest number of anything: more than a process can have open.
const MOST: usize = 1_000_000;

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

/// What the settings say, by a reader of one of them.
pub(super) fn limits(reader: &mut super::effective::Reader<'_>) -> Limits {
    let default = Limits::DEFAULT;
    let limits = Limits {
        connections: reader.one("max-connections").map_or(default.connections, |Count(count)| count),
        watchers: reader.one("max-watchers").map_or(default.watchers, |Count(count)| count),
        watch_bytes: reader.one("watch-memory").map_or(default.watch_bytes, |Bytes(bytes)| bytes),
        patience: reader.one("api-timeout").map_or(default.patience, |Time(time)| time),
    };
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
        assert_eq!((count("1"), count("0"), count("1000001"), count("+x")), (Some(1), None, None, None));
        let time = |text| read::<Time>(text).map(|Time(time)| time);
        assert_eq!((time("5s"), time("0s"), time("5")), (Some(Duration::from_secs(5)), None, None));
    }

    #[test]
    fn watchers_leave_room_for_commands() {
        assert_eq!(Limits::DEFAULT.trouble(), None);
        let full = Limits { connections: 5, watchers: 5, ..Limits::DEFAULT };
        assert!(full.trouble().unwrap().contains("`max-connections`"));
    }
}
