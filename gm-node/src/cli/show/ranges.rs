//! Who serves what, for people.

use gm_data::KeyRange;
use gm_node::api::{Coverage, Located, Piece, Topology};

use super::sync::note;
use crate::cli::table::{Left, Right, Table, counted};

/// Owners of a piece that are named; the rest is a number.
const NAMED: usize = 4;

/// A range as it is written everywhere.
pub(crate) fn span(start: u32, end: u32) -> String {
    format!("{start:#010x}-{end:#010x}")
}

/// So many of all keys, as a percentage: never 0 or 100 if it is not all or nothing.
pub(crate) fn share(keys: u64) -> String {
    let all = KeyRange::WHOLE.width();
    match keys.saturating_mul(1_000) / all {
        _ if keys == 0 => "0.0 %".to_owned(),
        0 => "<0.1 %".to_owned(),
        999 => ">99.9 %".to_owned(),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// What is said of ranges.
pub(crate) fn topology(answer: &Topology) -> String {
    let Topology { group, sync, items } = answer;
    if items.is_empty() {
        return format!("No member serves a range in {group}, or is interested in one.\n{}", note(sync));
    }
    let mut table = Table::new(&[
        ("RANGE", Left),
        ("OF THE KEYS", Right),
        ("NODE", Left),
        ("", Left),
        ("PORT", Right),
        ("PRIORITY", Right),
    ]);
    for item in items {
        let serves = item.op == "add";
        let only = |number: u16| if serves { number.to_string() } else { "-".to_owned() };
        table.row([
            span(item.start, item.end),
            share(width(item.start, item.end)),
            item.node.clone(),
            if serves { "serves" } else { "is interested" }.to_owned(),
            only(item.port),
            only(item.priority),
        ]);
    }
    format!("{table}{}", note(sync))
}

/// What is served, and by how many. With a number: whether by so many everywhere.
pub(crate) fn coverage(coverage: &Coverage, require: Option<usize>) -> String {
    let mut table =
        Table::new(&[("RANGE", Left), ("OF THE KEYS", Right), ("SERVED BY", Right), ("NODES", Left)]);
    for piece in &coverage.pieces {
        let number = piece.owners.len();
        let nodes = match number {
            0 => "NOBODY".to_owned(),
            1..=NAMED => piece.owners.join(", "),
            _ => format!("{}, and {} more", piece.owners[..NAMED].join(", "), number - NAMED),
        };
        table.row([
            span(piece.start, piece.end),
            share(width(piece.start, piece.end)),
            number.to_string(),
            nodes,
        ]);
    }
    format!("{table}{}\n{}", verdict(coverage, require), note(&coverage.sync))
}

fn verdict(coverage: &Coverage, require: Option<usize>) -> String {
    let below = |wanted: usize| {
        let few = coverage.pieces.iter().filter(|piece| piece.owners.len() < wanted);
        share(few.map(|piece| width(piece.start, piece.end)).sum())
    };
    let members = |number| counted(number, "member", "members");
    match (require, coverage.least) {
        (Some(wanted), least) if least < wanted => {
            let first = coverage.pieces.iter().find(|piece: &&Piece| piece.owners.len() < wanted);
            let at =
                first.map_or_else(String::new, |piece| format!(", first {}", span(piece.start, piece.end)));
            format!("GAP: {} of the keys are served by fewer than {}{at}.", below(wanted), members(wanted))
        }
        (_, 0) => format!("GAP: {} of the keys are served by nobody.", below(1)),
        (Some(_), least) => format!("Enough: every key is served by {} or more.", members(least)),
        (None, least) => format!("Every key is served by {} or more.", members(least)),
    }
}

/// Who serves a key.
pub(crate) fn located(located: &Located) -> String {
    let key = located.key;
    if located.owners.is_empty() {
        return format!("No member serves the key {key:#010x}.\n{}", note(&located.sync));
    }
    let mut table =
        Table::new(&[("", Right), ("NODE", Left), ("SERVICE", Left), ("PRIORITY", Right), ("RANGE", Left)]);
    for (at, owner) in located.owners.iter().enumerate() {
        table.row([
            format!("{}.", at + 1),
            owner.node.clone(),
            owner.service.clone(),
            owner.priority.to_string(),
            span(owner.start, owner.end),
        ]);
    }
    let number = located.owners.len();
    let order = if number > 1 { ", the most preferred first" } else { "" };
    let members = counted(number, "member", "members");
    format!("{table}The key {key:#010x} is served by {members}{order}.\n{}", note(&located.sync))
}

fn width(start: u32, end: u32) -> u64 {
    KeyRange::new(start, end).map_or(0, KeyRange::width)
}

#[cfg(test)]
mod tests {
    use gm_node::api::Owner;

    use super::super::samples::{item, sync};
    use super::*;

    const A: &str = "10.0.0.1:29999";
    const B: &str = "10.0.0.22:29999";

    #[test]
    fn a_topology_is_a_line_for_each_range_of_each_member() {
        let answer = |items| Topology { group: "Customers".into(), sync: sync(), items };
        let items = [item(A, "add", 0, 0x7fff_ffff, 5432, 2), item(B, "get", 0, u32::MAX, 0, 1)];
        assert_eq!(
            topology(&answer(items.to_vec())),
            "\
RANGE                  OF THE KEYS  NODE                            PORT  PRIORITY
0x00000000-0x7fffffff       50.0 %  10.0.0.1:29999   serves         5432         2
0x00000000-0xffffffff      100.0 %  10.0.0.22:29999  is interested     -         -
"
        );
        let none = "No member serves a range in Customers, or is interested in one.\n";
        assert_eq!(topology(&answer(vec![])), none);
    }

    #[test]
    fn coverage_ends_with_a_verdict() {
        let piece = |start, end, owners: &[&str]| Piece {
            start,
            end,
            owners: owners.iter().map(|owner| (*owner).to_owned()).collect(),
        };
        let halves = |least, upper: &[&str]| Coverage {
            sync: sync(),
            least,
            pieces: vec![piece(0, 0x7fff_ffff, &[A, B]), piece(0x8000_0000, u32::MAX, upper)],
        };
        assert_eq!(
            coverage(&halves(0, &[]), None),
            "\
RANGE                  OF THE KEYS  SERVED BY  NODES
0x00000000-0x7fffffff       50.0 %          2  10.0.0.1:29999, 10.0.0.22:29999
0x80000000-0xffffffff       50.0 %          0  NOBODY
GAP: 50.0 % of the keys are served by nobody.
"
        );
        let last = |coverage: String| coverage.lines().last().unwrap_or_default().to_owned();
        assert_eq!(last(coverage(&halves(1, &[A]), None)), "Every key is served by 1 member or more.");
        assert_eq!(
            last(coverage(&halves(1, &[A]), Some(2))),
            "GAP: 50.0 % of the keys are served by fewer than 2 members, first 0x80000000-0xffffffff."
        );
        assert_eq!(
            last(coverage(&halves(2, &[A, B]), Some(2))),
            "Enough: every key is served by 2 members or more."
        );
        let many = Coverage {
            sync: sync(),
            least: 6,
            pieces: vec![piece(0, u32::MAX, &["a", "b", "c", "d", "e", "f"])],
        };
        assert!(coverage(&many, None).contains("6  a, b, c, d, and 2 more\n"));
    }

    #[test]
    fn a_key_has_its_owners_in_order() {
        let owner = |node: &str, priority| Owner {
            node: node.into(),
            service: format!("{}:5432", node.trim_end_matches(":29999")),
            priority,
            start: 0,
            end: 0x7fff_ffff,
        };
        let both = Located { sync: sync(), key: 77, owners: vec![owner(B, 12), owner(A, 1)] };
        assert_eq!(
            located(&both),
            "
    NODE             SERVICE         PRIORITY  RANGE
1.  10.0.0.22:29999  10.0.0.22:5432        12  0x00000000-0x7fffffff
2.  10.0.0.1:29999   10.0.0.1:5432          1  0x00000000-0x7fffffff
The key 0x0000004d is served by 2 members, the most preferred first.
"
            .trim_start_matches('\n')
        );
        let nobody = Located { sync: sync(), key: 77, owners: vec![] };
        assert_eq!(located(&nobody), "No member serves the key 0x0000004d.\n");
    }

    #[test]
    fn a_share_is_all_or_nothing_only_if_it_is() {
        assert_eq!((share(0).as_str(), share(1).as_str()), ("0.0 %", "<0.1 %"));
        assert_eq!((share(1 << 32).as_str(), share((1 << 32) - 1).as_str()), ("100.0 %", ">99.9 %"));
        assert_eq!(share(1_431_655_765), "33.3 %");
    }
}
