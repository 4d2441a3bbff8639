//! Ranges and their owners as text.

use gm_daemon::api;
use gm_data::KeyRange;

use super::listing::ListRenderer;
use super::sync::note;
use crate::cli::table::{Left, Right, StreamedTable, escape_invisible, plural};

/// Maximum number of owners that a row names.
const MAX_NAMED: usize = 4;

/// Formats a range.
pub(crate) fn span(start: u32, end: u32) -> String {
    format!("{start:#010x}-{end:#010x}")
}

/// Share of the key space as a percentage. It is `0.0 %` or `100.0 %` only if exact.
pub(crate) fn share(keys: u64) -> String {
    let all = KeyRange::WHOLE.width();
    match keys.saturating_mul(1_000) / all {
        _ if keys == 0 => "0.0 %".to_owned(),
        0 => "<0.1 %".to_owned(),
        999 => ">99.9 %".to_owned(),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// Table of the items of a group.
#[derive(Debug)]
pub(crate) struct Topology {
    table: StreamedTable,
    is_empty: bool,
}

impl Topology {
    pub(crate) fn new() -> Topology {
        let table = StreamedTable::new(&[
            ("RANGE", Left),
            ("SHARE OF KEYS", Right),
            ("NODE", Left),
            ("", Left),
            ("PORT", Right),
            ("PRIORITY", Right),
        ]);
        Topology { table, is_empty: true }
    }
}

impl ListRenderer for Topology {
    type Head = api::ItemList;
    type Item = api::ItemInfo;

    fn items(head: &mut api::ItemList) -> Vec<api::ItemInfo> {
        std::mem::take(&mut head.items)
    }

    fn item(&mut self, item: &api::ItemInfo) -> String {
        self.is_empty = false;
        let serves = item.op == api::ItemOp::Add;
        let only = |number: u16| if serves { number.to_string() } else { "-".to_owned() };
        self.table.row([
            span(item.start, item.end),
            share(width(item.start, item.end)),
            item.node.clone(),
            if serves { "serves" } else { "is interested" }.to_owned(),
            only(item.port),
            only(item.priority),
        ])
    }

    fn end(&mut self, head: &api::ItemList) -> String {
        let (group, note) = (escape_invisible(&head.group), note(&head.sync));
        if self.is_empty {
            return format!("No member serves or is interested in a range in {group}.\n{note}");
        }
        format!("{}{note}", self.table.end())
    }
}

/// Table of the segments with their owners, and a verdict: whether every key has the required
/// number of owners.
#[derive(Debug)]
pub(crate) struct Coverage {
    table: StreamedTable,
    require: Option<usize>,
    /// Number of keys with fewer owners than required (one if nothing is required), and the first
    /// such segment.
    below_required: u64,
    first_gap: Option<(u32, u32)>,
}

impl Coverage {
    pub(crate) fn new(require: Option<usize>) -> Coverage {
        let heads = [("RANGE", Left), ("SHARE OF KEYS", Right), ("SERVED BY", Right), ("NODES", Left)];
        Coverage { table: StreamedTable::new(&heads), require, below_required: 0, first_gap: None }
    }

    fn verdict(&self, min_owners: usize) -> String {
        let (few, members) = (share(self.below_required), |number| plural(number, "member", "members"));
        match (self.require, min_owners) {
            (Some(wanted), min_owners) if min_owners < wanted => {
                let at = self
                    .first_gap
                    .map_or_else(String::new, |(start, end)| format!(", first {}", span(start, end)));
                format!("GAP: {few} of the keys are served by fewer than {}{at}.", members(wanted))
            }
            (_, 0) => format!("GAP: {few} of the keys are not served."),
            (Some(_), min_owners) => format!("OK: every key is served by at least {}.", members(min_owners)),
            (None, min_owners) => format!("Every key is served by at least {}.", members(min_owners)),
        }
    }
}

impl ListRenderer for Coverage {
    type Head = api::Coverage;
    type Item = api::CoverageSegment;

    fn items(head: &mut api::Coverage) -> Vec<api::CoverageSegment> {
        std::mem::take(&mut head.segments)
    }

    fn item(&mut self, segment: &api::CoverageSegment) -> String {
        let (number, keys) = (segment.owners.len(), width(segment.start, segment.end));
        if number < self.require.unwrap_or(0).max(1) {
            self.below_required += keys;
            self.first_gap.get_or_insert((segment.start, segment.end));
        }
        let nodes = match number {
            0 => "-".to_owned(),
            1..=MAX_NAMED => segment.owners.join(", "),
            _ => format!("{}, and {} more", segment.owners[..MAX_NAMED].join(", "), number - MAX_NAMED),
        };
        self.table.row([span(segment.start, segment.end), share(keys), number.to_string(), nodes])
    }

    fn end(&mut self, head: &api::Coverage) -> String {
        format!("{}{}\n{}", self.table.end(), self.verdict(head.min_owners), note(&head.sync))
    }
}

/// Table of the owners of a key.
#[derive(Debug)]
pub(crate) struct Located {
    table: StreamedTable,
    count: usize,
}

impl Located {
    pub(crate) fn new() -> Located {
        let heads = [("", Right), ("NODE", Left), ("SERVICE", Left), ("PRIORITY", Right), ("RANGE", Left)];
        Located { table: StreamedTable::new(&heads), count: 0 }
    }
}

impl ListRenderer for Located {
    type Head = api::OwnerList;
    type Item = api::OwnerInfo;

    fn items(head: &mut api::OwnerList) -> Vec<api::OwnerInfo> {
        std::mem::take(&mut head.owners)
    }

    fn item(&mut self, owner: &api::OwnerInfo) -> String {
        self.count += 1;
        self.table.row([
            format!("{}.", self.count),
            owner.node.clone(),
            owner.service.clone(),
            owner.priority.to_string(),
            span(owner.start, owner.end),
        ])
    }

    fn end(&mut self, head: &api::OwnerList) -> String {
        let (key, note) = (head.key, note(&head.sync));
        if self.count == 0 {
            return format!("No member serves the key {key:#010x}.\n{note}");
        }
        let order = if self.count > 1 { ", most preferred first" } else { "" };
        let members = plural(self.count, "member", "members");
        format!("{}The key {key:#010x} is served by {members}{order}.\n{note}", self.table.end())
    }
}

fn width(start: u32, end: u32) -> u64 {
    KeyRange::new(start, end).map_or(0, KeyRange::width)
}

#[cfg(test)]
mod tests {
    use gm_daemon::api::{
        Coverage as CoverageAnswer, CoverageSegment, ItemList, ItemOp, OwnerInfo, OwnerList,
    };

    use super::super::listing::render_list;
    use super::super::samples::{item, sync};
    use super::*;

    const A: &str = "10.0.0.1:29999";
    const B: &str = "10.0.0.22:29999";

    #[test]
    fn a_topology_is_a_line_for_each_range_of_each_member() {
        let answer = |items| ItemList { group: "Customers".into(), sync: sync(), items };
        let items = [item(A, ItemOp::Add, 0, 0x7fff_ffff, 5432, 2), item(B, ItemOp::Get, 0, u32::MAX, 0, 1)];
        assert_eq!(
            render_list(Topology::new(), answer(items.to_vec())),
            "\
RANGE                  SHARE OF KEYS  NODE                            PORT  PRIORITY
0x00000000-0x7fffffff         50.0 %  10.0.0.1:29999   serves         5432         2
0x00000000-0xffffffff        100.0 %  10.0.0.22:29999  is interested     -         -
"
        );
        let none = "No member serves or is interested in a range in Customers.\n";
        assert_eq!(render_list(Topology::new(), answer(vec![])), none);
    }

    #[test]
    fn coverage_ends_with_a_verdict() {
        let segment = |start, end, owners: &[&str]| CoverageSegment {
            start,
            end,
            owners: owners.iter().map(|owner| (*owner).to_owned()).collect(),
        };
        let coverage = |answer: CoverageAnswer, require| render_list(Coverage::new(require), answer);
        let halves = |min_owners, upper: &[&str]| CoverageAnswer {
            sync: sync(),
            min_owners,
            segments: vec![segment(0, 0x7fff_ffff, &[A, B]), segment(0x8000_0000, u32::MAX, upper)],
        };
        assert_eq!(
            coverage(halves(0, &[]), None),
            "\
RANGE                  SHARE OF KEYS  SERVED BY  NODES
0x00000000-0x7fffffff         50.0 %          2  10.0.0.1:29999, 10.0.0.22:29999
0x80000000-0xffffffff         50.0 %          0  -
GAP: 50.0 % of the keys are not served.
"
        );
        let last = |coverage: String| coverage.lines().last().unwrap_or_default().to_owned();
        assert_eq!(last(coverage(halves(1, &[A]), None)), "Every key is served by at least 1 member.");
        assert_eq!(
            last(coverage(halves(1, &[A]), Some(2))),
            "GAP: 50.0 % of the keys are served by fewer than 2 members, first 0x80000000-0xffffffff."
        );
        assert_eq!(
            last(coverage(halves(2, &[A, B]), Some(2))),
            "OK: every key is served by at least 2 members."
        );
        let many = CoverageAnswer {
            sync: sync(),
            min_owners: 6,
            segments: vec![segment(0, u32::MAX, &["a", "b", "c", "d", "e", "f"])],
        };
        assert!(coverage(many, None).contains("6  a, b, c, d, and 2 more\n"));
    }

    #[test]
    fn a_key_has_its_owners_in_order() {
        let owner = |node: &str, priority| OwnerInfo {
            node: node.into(),
            service: format!("{}:5432", node.trim_end_matches(":29999")),
            priority,
            start: 0,
            end: 0x7fff_ffff,
        };
        let both = OwnerList { sync: sync(), key: 77, owners: vec![owner(B, 12), owner(A, 1)] };
        assert_eq!(
            render_list(Located::new(), both),
            "
    NODE             SERVICE         PRIORITY  RANGE
1.  10.0.0.22:29999  10.0.0.22:5432        12  0x00000000-0x7fffffff
2.  10.0.0.1:29999   10.0.0.1:5432          1  0x00000000-0x7fffffff
The key 0x0000004d is served by 2 members, most preferred first.
"
            .trim_start_matches('\n')
        );
        let unserved = OwnerList { sync: sync(), key: 77, owners: vec![] };
        assert_eq!(render_list(Located::new(), unserved), "No member serves the key 0x0000004d.\n");
    }

    #[test]
    fn a_share_is_all_or_nothing_only_if_it_is() {
        assert_eq!((share(0).as_str(), share(1).as_str()), ("0.0 %", "<0.1 %"));
        assert_eq!((share(1 << 32).as_str(), share((1 << 32) - 1).as_str()), ("100.0 %", ">99.9 %"));
        assert_eq!(share(1_431_655_765), "33.3 %");
    }
}
