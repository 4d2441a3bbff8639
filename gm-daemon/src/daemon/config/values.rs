//! Types of the values of settings: their text in flags, environment variables and files, and as
//! shown defaults.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::cli::args::parse_duration;

/// A type of values that have a text.
pub(super) trait TextValue {
    type Value;

    /// Parses a text; the error is for a message that names the text.
    fn parse(text: &str) -> Result<Self::Value, String>;

    /// The text of a value.
    fn show(value: &Self::Value) -> String;
}

impl<T: FromStr<Err: Display> + Display> TextValue for T {
    type Value = T;

    fn parse(text: &str) -> Result<T, String> {
        parse(text)
    }

    fn show(value: &T) -> String {
        value.to_string()
    }
}

/// Parses a text, with the error as text.
pub(super) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// A number, at least 1.
pub(super) enum Count {}

/// Maximum of such a number.
const MAX_COUNT: usize = 1_000_000_000;

impl TextValue for Count {
    type Value = usize;

    fn parse(text: &str) -> Result<usize, String> {
        let number = text.parse().ok().filter(|number| (1..=MAX_COUNT).contains(number));
        number.ok_or_else(|| format!("not a number from 1 to {MAX_COUNT}"))
    }

    fn show(count: &usize) -> String {
        count.to_string()
    }
}

/// A size in bytes: `67108864`, `64MiB`.
pub(super) enum Size {}

/// Units of sizes, and their sizes as powers of two.
const UNITS: [(&str, u32); 4] = [("GiB", 30), ("MiB", 20), ("KiB", 10), ("", 0)];

impl TextValue for Size {
    type Value = usize;

    fn parse(text: &str) -> Result<usize, String> {
        let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(at);
        let shift = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, shift)| shift);
        let bytes = number.parse::<usize>().ok().zip(shift);
        let bytes = bytes.and_then(|(number, shift)| number.checked_mul(1 << shift));
        let bytes = bytes.filter(|bytes| *bytes > 0 && *bytes <= isize::MAX as usize);
        bytes.ok_or_else(|| "not a size: write bytes, or 512KiB, 64MiB, 1GiB".to_owned())
    }

    /// In the greatest unit of which it is a multiple.
    fn show(bytes: &usize) -> String {
        let unit = UNITS.iter().find(|(_, shift)| bytes.is_multiple_of(1 << shift));
        unit.map_or_else(|| bytes.to_string(), |(name, shift)| format!("{}{name}", bytes >> shift))
    }
}

/// A duration greater than zero.
pub(super) enum Time {}

impl TextValue for Time {
    type Value = Duration;

    fn parse(text: &str) -> Result<Duration, String> {
        let time = parse_duration(text)?;
        if time.is_zero() { Err("it must be greater than zero".to_owned()) } else { Ok(time) }
    }

    fn show(time: &Duration) -> String {
        match time.subsec_millis() {
            0 => format!("{}s", time.as_secs()),
            _ => format!("{}ms", time.as_millis()),
        }
    }
}

/// True or false, with their usual synonyms.
pub(super) enum Switch {}

impl TextValue for Switch {
    type Value = bool;

    fn parse(text: &str) -> Result<bool, String> {
        match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => Ok(true),
            "false" | "no" | "off" | "0" => Ok(false),
            _ => Err("it is neither true nor false".to_owned()),
        }
    }

    fn show(is: &bool) -> String {
        is.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_counts_and_times_are_read_or_refused() {
        let bytes = |text| Size::parse(text).ok();
        assert_eq!((bytes("1"), bytes("512KiB"), bytes("64MiB")), (Some(1), Some(512 << 10), Some(64 << 20)));
        for wrong in
            ["", "0", "MiB", "-1", "1.5MiB", "1MB", "64 MiB", "99999999999999999999", "99999999999GiB"]
        {
            assert_eq!(bytes(wrong), None, "{wrong}");
        }
        let count = |text| Count::parse(text).ok();
        assert_eq!((count("1"), count("0"), count("1000000001"), count("+x")), (Some(1), None, None, None));
        let time = |text| Time::parse(text).ok();
        assert_eq!((time("5s"), time("0s"), time("5")), (Some(Duration::from_secs(5)), None, None));
    }

    #[test]
    fn a_shown_value_is_read_again() {
        for bytes in [1, 1_000, 1 << 10, 3 << 20, 1 << 30] {
            assert_eq!(Size::parse(&Size::show(&bytes)), Ok(bytes));
        }
        assert_eq!((Size::show(&(64 << 20)), Size::show(&1_025)), ("64MiB".to_owned(), "1025".to_owned()));
        for millis in [1, 1_000, 1_500, 60_000] {
            let time = Duration::from_millis(millis);
            assert_eq!(Time::parse(&Time::show(&time)), Ok(time));
        }
        assert_eq!(Switch::parse(&Switch::show(&true)), Ok(true));
    }
}
