//! Tables as Markdown: equal numbers give equal bytes.

use std::fmt::Write as _;
use std::time::Duration;

/// A row of a table.
#[derive(Clone, Debug, Default)]
pub(super) struct Row {
    pub(super) label: String,
    pub(super) nodes: u32,
    /// Time from the beginning until the last delivery.
    pub(super) time: Duration,
    /// Smallest possible time.
    pub(super) optimum: Option<Duration>,
    /// Copies of the content received, and the number of live nodes.
    pub(super) copies: Option<(u64, u64)>,
    pub(super) bytes: Option<u64>,
    /// Bytes of target lists, copies sent, and targets in all lists.
    pub(super) addressing: Option<(u64, u64, u64)>,
    /// Live nodes without the broadcast.
    pub(super) missed: u64,
    pub(super) note: String,
}

/// A table with its title and text.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    pub(super) rows: Vec<Row>,
}

impl Section {
    pub(super) fn markdown(&self) -> String {
        let mut out = format!("\n## {}\n\n{}\n\n", self.title, self.text);
        out.push_str(
            "| | N | last delivery, ms | optimum, ms | ratio | copies per live node | bytes on the wire \
             | target lists, B per copy / per target | missed | |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|---|\n",
        );
        self.rows.iter().for_each(|row| row.write(&mut out));
        out
    }
}

impl Row {
    fn write(&self, out: &mut String) {
        let Row { label: what, nodes, missed, note, .. } = self;
        let time = millis(self.time);
        let optimum = self.optimum.map(millis).unwrap_or_default();
        let ratio =
            self.optimum.map(|optimum| quotient(nanos(self.time), nanos(optimum), 3)).unwrap_or_default();
        let copies = self.copies.map(|(copies, of)| quotient(copies, of, 3)).unwrap_or_default();
        let bytes = self.bytes.map(|bytes| bytes.to_string()).unwrap_or_default();
        let addressing = self.addressing.map(|(bytes, copies, listed)| {
            format!("{} / {}", quotient(bytes, copies, 1), quotient(bytes, listed, 2))
        });
        let addressing = addressing.unwrap_or_default();
        let line = format!(
            "| {what} | {nodes} | {time} | {optimum} | {ratio} | {copies} | {bytes} | {addressing} | {missed} | {note} |"
        );
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "{line}");
    }
}

/// Milliseconds with three digits.
pub(super) fn millis(time: Duration) -> String {
    quotient(nanos(time), 1_000_000, 3)
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// A quotient with this number of digits, rounded half up. It is computed in integers, so that
/// every build rounds alike.
pub(super) fn quotient(value: u64, of: u64, digits: u32) -> String {
    let scale = 10_u128.pow(digits);
    let of = u128::from(of.max(1));
    let rounded = (u128::from(value) * scale * 2 + of) / (of * 2);
    let (whole, rest) = (rounded / scale, rounded % scale);
    format!("{whole}.{rest:0width$}", width = digits as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotients_are_rounded_by_whole_numbers() {
        assert_eq!(quotient(1, 3, 3), "0.333");
        assert_eq!(quotient(2, 3, 3), "0.667");
        assert_eq!(quotient(1, 1, 1), "1.0");
        assert_eq!(quotient(1, 0, 3), "1.000");
        assert_eq!(millis(Duration::from_micros(710)), "0.710");
    }
}
