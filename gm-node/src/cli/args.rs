//! What is typed behind a command, and how it is read. Knows no daemon.

use std::time::Duration;

use clap::{Args, ValueEnum};
use gm_data::KeyRange;
use gm_node::api;

/// Ranges, as a list by commas.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ranges(pub(crate) Vec<KeyRange>);

/// Reads `0x0-0x7fffffff`, `0-99,200-299` or one key.
pub(crate) fn parse_ranges(text: &str) -> Result<Ranges, String> {
    let read = |part: &str| part.trim().parse().map_err(|error| format!("`{}`: {error}", part.trim()));
    text.split(',').map(read).collect::<Result<_, _>>().map(Ranges)
}

/// Reads a key, in decimal or hexadecimal.
pub(crate) fn parse_key(text: &str) -> Result<u32, String> {
    match text.parse::<KeyRange>() {
        Ok(range) if range.width() == 1 && !text.contains('-') => Ok(range.start()),
        _ => Err("not a key: a number up to 0xffffffff, decimal or 0x hex; the key of a text is located with --bytes TEXT"
            .to_owned()),
    }
}

/// Reads `500ms`, `5s`, `2m`, `1h`.
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

/// Milliseconds of the longest wait: a day.
const MAX_MILLIS: u64 = 86_400_000;

/// A duration as an operator writes it.
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

/// Reads how many are waited for, as the daemon does.
fn parse_wait_count(text: &str) -> Result<String, String> {
    let number = || text.parse::<u64>().is_ok() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text {
        "none" | "one" | "all" => Ok(text.to_owned()),
        _ if number() => Ok(text.to_owned()),
        _ => Err("not none, one, all or a number of others".to_owned()),
    }
}

/// Reads `N`, `+N` or `-N`.
pub(crate) fn parse_priority(text: &str) -> Result<String, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse::<u16>().ok()).flatten();
    match number {
        Some(1..) => Ok(text.to_owned()),
        _ => Err("not a priority: N, +N or -N, with N from 1 to 65535".to_owned()),
    }
}

/// Reads 32 hexadecimal digits.
pub(crate) fn parse_fingerprint(text: &str) -> Result<String, String> {
    if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(text.to_ascii_lowercase());
    }
    Err("not a fingerprint: 32 hexadecimal digits, as `groups` and every write print them".to_owned())
}

/// Which acknowledgements a write waits for.
#[derive(Clone, Debug, PartialEq, Eq, Args)]
pub(crate) struct WaitArgs {
    /// Return once so many other members acknowledged the write, any of them; `all`: all whose
    /// ranges it overlaps, and at least one. It stands in any case
    #[arg(long, default_value = "none", value_parser = parse_wait_count, value_name = "none|one|K|all")]
    pub(crate) wait: String,
    /// Count only members that have the write on disk
    #[arg(long)]
    pub(crate) disk: bool,
    /// Maximum time to wait for the other members
    #[arg(long, default_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) timeout: Duration,
}

impl WaitArgs {
    /// As the daemon is told.
    pub(crate) fn to_api(&self) -> api::WaitOptions {
        let timeout = u64::try_from(self.timeout.as_millis()).unwrap_or(u64::MAX);
        api::WaitOptions { wait: self.wait.clone(), disk: self.disk, timeout }
    }

    /// How long the daemon may take for it, besides the time that any answer may take.
    pub(crate) const fn longest(&self) -> Duration {
        self.timeout
    }
}

/// How long a read waits for the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Args)]
pub(crate) struct ReadArgs {
    /// Maximum time to wait for the daemon to answer, and in a long answer for more of it
    #[arg(long, default_value = "10s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) timeout: Duration,
}

/// Whether a read waits until its group was compared with another holder of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args)]
pub(crate) struct FreshArgs {
    /// Wait until the group was compared with another holder of it, so long at most (5s if no time
    /// is given): right after a start or a join members may be missing here
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "5s", value_parser = parse_duration, value_name = "TIME")]
    pub(crate) fresh: Option<Duration>,
}

impl FreshArgs {
    /// As a part of a query.
    pub(crate) fn query(self) -> Option<String> {
        self.fresh.map(|within| format!("fresh={}", within.as_millis()))
    }
}

/// What is said of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ItemOp {
    /// It is served
    Add,
    /// It is of interest
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
        assert!(["none", "one", "all", "3"].iter().all(|text| parse_wait_count(text).is_ok()));
        assert!(["", "some", "-1", "+1", "ALL"].iter().all(|text| parse_wait_count(text).is_err()));
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
