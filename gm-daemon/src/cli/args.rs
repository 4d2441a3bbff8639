//! Arguments of the commands, and their parsers.

use std::time::Duration;

use clap::{Args, ValueEnum};
use gm_daemon::api::{self, WaitCount};
use gm_data::{KeyRange, PriorityChange};

/// Ranges, separated by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranges(pub(crate) Vec<KeyRange>);

/// Parses `0x0-0x7fffffff`, `0-99,200-299` or one key.
pub(crate) fn parse_ranges(text: &str) -> Result<Ranges, String> {
    let read = |part: &str| part.trim().parse().map_err(|error| format!("`{}`: {error}", part.trim()));
    text.split(',').map(read).collect::<Result<_, _>>().map(Ranges)
}

/// Parses a key, in decimal or hexadecimal.
pub(crate) fn parse_key(text: &str) -> Result<u32, String> {
    match text.parse::<KeyRange>() {
        Ok(range) if range.width() == 1 && !text.contains('-') => Ok(range.start()),
        _ => Err("not a key: use a number up to 0xffffffff, decimal or hexadecimal (0x), or --bytes TEXT to locate the hash of a text"
            .to_owned()),
    }
}

/// Parses `500ms`, `5s`, `2m`, `1h`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "not a duration: write 500ms, 5s, 2m or 1h".to_owned();
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let millis = number.checked_mul(unit).filter(|millis| *millis <= MAX_MILLIS);
    millis.map(Duration::from_millis).ok_or_else(|| "longer than a day (24h)".to_owned())
}

/// Maximum duration: a day.
const MAX_MILLIS: u64 = 86_400_000;

/// Formats a duration for people.
pub(crate) fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0..1_000 => format!("{millis} ms"),
        1_000..120_000 if millis.is_multiple_of(1_000) => format!("{} s", millis / 1_000),
        1_000..120_000 => format!("{}.{} s", millis / 1_000, millis % 1_000 / 100),
        120_000..7_200_000 => format!("{} min", millis / 60_000),
        7_200_000..172_800_000 => format!("{} h {} min", millis / 3_600_000, millis / 60_000 % 60),
        _ => format!("{} d {} h", millis / 86_400_000, millis / 3_600_000 % 24),
    }
}

/// Parses `N`, `+N` or `-N`. Zero is refused.
pub(crate) fn parse_priority(text: &str) -> Result<PriorityChange, String> {
    use PriorityChange::{Lower, Raise, Set};
    match text.parse() {
        Ok(change @ (Set(1..) | Raise(1..) | Lower(1..))) => Ok(change),
        _ => Err("not a priority: N, +N or -N, with N from 1 to 65535".to_owned()),
    }
}

/// Parses 32 hexadecimal digits.
pub(crate) fn parse_fingerprint(text: &str) -> Result<String, String> {
    if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("not a fingerprint: use the 32 hexadecimal digits that `groups` and every write print".to_owned())
}

/// Acknowledgements that a write waits for.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct WaitArgs {
    /// Number of other members that must acknowledge before the command returns; all: every member
    /// whose ranges overlap the change, and at least one. The write stands in any case
    #[arg(long, default_value = "none", value_name = "none|one|K|all")]
    pub(crate) wait: WaitCount,
    /// Count only members that have synced the write to disk
    #[arg(long)]
    pub(crate) disk: bool,
    /// Maximum time to wait for acknowledgements; too short, and the command exits with code 4
    /// although the members receive the write a moment later
    #[arg(long, default_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) timeout: Duration,
}

impl WaitArgs {
    /// The wait in the form of the API.
    pub(crate) fn to_api(&self) -> api::WaitOptions {
        let timeout = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        api::WaitOptions { wait: self.wait, disk: self.disk, timeout }
    }

    /// Time that the daemon may take in addition to that of any answer.
    pub(crate) const fn longest(&self) -> Duration {
        self.timeout
    }
}

/// Time limit of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub(crate) struct ReadArgs {
    /// Maximum time to wait for the answer, and in a long answer for each further part
    #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) timeout: Duration,
}

/// Whether a read waits until its group was compared with another host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct FreshArgs {
    /// Wait up to this time (5s if none is given) until the group was compared with another host;
    /// without it, an answer right after a start or a join may lack members
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) fresh: Option<Duration>,
}

impl FreshArgs {
    /// The argument as part of a query.
    pub(crate) fn query(self) -> Option<String> {
        self.fresh.map(|within| format!("fresh={}", within.as_millis()))
    }
}

/// Kind of the items to list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ItemOp {
    /// Served ranges
    Add,
    /// Ranges of interest
    Get,
}

impl ItemOp {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            ItemOp::Add => "add",
            ItemOp::Get => "get",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_in_decimal_and_hex_and_by_commas() {
        let range = |start, end| KeyRange::new(start, end).unwrap();
        assert_eq!(parse_ranges("0x0-0x7fffffff"), Ok(Ranges(vec![range(0, 0x7fff_ffff)])));
        assert_eq!(
            parse_ranges("0-99, 7,0x10-0x1F"),
            Ok(Ranges(vec![range(0, 99), range(7, 7), range(16, 31)]))
        );
        for wrong in ["", "1-", "9-1", "0-4294967296", "1,,2", "a"] {
            assert!(parse_ranges(wrong).is_err(), "{wrong}");
        }
        assert!(parse_ranges("9-1").unwrap_err().starts_with("`9-1`: "));
    }

    #[test]
    fn keys_are_one_number() {
        assert_eq!((parse_key("7"), parse_key("0xffffffff")), (Ok(7), Ok(u32::MAX)));
        for wrong in ["7-7", "customer", "", "-1", "4294967296"] {
            assert!(parse_key(wrong).unwrap_err().contains("--bytes"), "{wrong}");
        }
    }

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(parse_duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_duration("5s"), Ok(Duration::from_secs(5)));
        assert_eq!(parse_duration("2m"), Ok(Duration::from_secs(120)));
        for wrong in ["5", "s", "", "-5s", "5 s", "1.5s", "25h", "99999999999999999999s", "5sec"] {
            assert!(parse_duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn durations_are_formatted_for_people() {
        let spelled = |millis| format_duration(Duration::from_millis(millis));
        assert_eq!((spelled(7).as_str(), spelled(5_000).as_str()), ("7 ms", "5 s"));
        assert_eq!((spelled(1_234).as_str(), spelled(600_000).as_str()), ("1.2 s", "10 min"));
        assert_eq!((spelled(7_260_000).as_str(), spelled(180_000_000).as_str()), ("2 h 1 min", "2 d 2 h"));
    }

    #[test]
    fn arguments_are_checked_before_the_daemon_is_asked() {
        assert!(["1", "+7", "-65535"].iter().all(|text| parse_priority(text).is_ok()));
        assert!(
            ["0", "+0", "65536", "--1", "+", "", "+-1", "1.5"]
                .iter()
                .all(|text| parse_priority(text).is_err())
        );
        assert_eq!(
            parse_fingerprint("0123456789ABCDEF0123456789abcdef").unwrap(),
            "0123456789abcdef0123456789abcdef"
        );
        assert!(
            ["", "0123", "0123456789abcdef0123456789abcdeg"]
                .iter()
                .all(|text| parse_fingerprint(text).is_err())
        );
    }
}
