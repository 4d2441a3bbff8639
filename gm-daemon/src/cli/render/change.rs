//! Changes of a group as text, one line each.

use gm_daemon::api::{GroupChange, ItemInfo, ItemOp};

use super::ranges::span;

/// Formats a change.
pub(crate) fn change(change: &GroupChange) -> String {
    match change {
        GroupChange::Joined { node } => format!("+ {node} joined"),
        GroupChange::Added { item } => format!("+ {}", item_text(item)),
        GroupChange::Changed { from, to } => format!("~ {}, before: {}", item_text(to), item_details(from)),
        GroupChange::Removed { item } => format!("- {}", item_text(item)),
        GroupChange::Left { node } => format!("- {node} left, or was forgotten"),
        GroupChange::Lost => {
            "! changes were dropped because this watcher read too slowly: read the group with `topology`; the following changes start from its present state"
                .to_owned()
        }
    }
}

fn item_text(item: &ItemInfo) -> String {
    format!("{} {} {}", item.node, span(item.start, item.end), item_details(item))
}

fn item_details(item: &ItemInfo) -> String {
    match item.op {
        ItemOp::Add => format!("served at port {}, priority {}", item.port, item.priority),
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
        let served = |priority| item(&node, ItemOp::Add, 0, 0x7fff_ffff, 5432, priority);
        let all = [
            GroupChange::Joined { node: node.clone() },
            GroupChange::Added { item: item(&node, ItemOp::Get, 0, u32::MAX, 0, 1) },
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
