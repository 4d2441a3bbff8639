//! What changes in a group, for people: one line each.

use gm_node::api::{GroupChange, ItemInfo};

use super::ranges::span;

/// One change.
pub(crate) fn change(change: &GroupChange) -> String {
    match change {
        GroupChange::Joined { node } => format!("+ {node} joined"),
        GroupChange::Added { item } => format!("+ {}", item_text(item)),
        GroupChange::Changed { from, to } => format!("~ {}, before: {}", item_text(to), item_details(from)),
        GroupChange::Removed { item } => format!("- {}", item_text(item)),
        GroupChange::Left { node } => format!("- {node} left, or was forgotten"),
        GroupChange::Lost => {
            "! more changed than is kept for who does not read: look with `topology`; what comes now goes on from there"
                .to_owned()
        }
    }
}

fn item_text(item: &ItemInfo) -> String {
    format!("{} {} {}", item.node, span(item.start, item.end), item_details(item))
}

fn item_details(item: &ItemInfo) -> String {
    match item.op.as_str() {
        "add" => format!("served at port {}, priority {}", item.port, item.priority),
        _ => "of interest".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples::item;
    use super::*;

    #[test]
    fn a_change_is_one_line() {
        let node = "10.0.0.1:29999".to_owned();
        let served = |priority| item(&node, "add", 0, 0x7fff_ffff, 5432, priority);
        let all = [
            GroupChange::Joined { node: node.clone() },
            GroupChange::Added { item: item(&node, "get", 0, u32::MAX, 0, 1) },
            GroupChange::Changed { from: served(1), to: served(2) },
            GroupChange::Removed { item: served(2) },
            GroupChange::Left { node: node.clone() },
        ];
        let lines: Vec<_> = all.iter().map(change).collect();
        assert_eq!(
            lines.join("\n"),
            "\
+ 10.0.0.1:29999 joined
+ 10.0.0.1:29999 0x00000000-0xffffffff of interest
~ 10.0.0.1:29999 0x00000000-0x7fffffff served at port 5432, priority 2, before: served at port 5432, priority 1
- 10.0.0.1:29999 0x00000000-0x7fffffff served at port 5432, priority 2
- 10.0.0.1:29999 left, or was forgotten"
        );
        assert!(change(&GroupChange::Lost).contains("topology"));
    }
}
