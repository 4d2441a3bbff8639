//! Status of groups as text.

use std::time::Duration;

use gm_daemon::api::GroupInfo;

use super::sync::sync_text;
use crate::cli::args::format_duration;
use crate::cli::table::{Left, Right, Table, plural};

/// Table of the groups that a node hosts or knows.
pub(crate) fn groups(groups: &[GroupInfo]) -> String {
    if groups.is_empty() {
        return "No group is hosted or known here. Join one: gm-node join GROUP\n".to_owned();
    }
    let mut table = Table::new(&[
        ("GROUP", Left),
        ("MEMBERS", Right),
        ("ITEMS", Right),
        ("FINGERPRINT", Left),
        ("STATUS", Left),
    ]);
    for group in groups {
        let number = |number: usize| if group.hosted { number.to_string() } else { "-".to_owned() };
        let fingerprint = if group.hosted { group.fingerprint.clone() } else { "-".to_owned() };
        table.row([
            group.name.clone(),
            number(group.members),
            number(group.items),
            fingerprint,
            membership_text(group),
        ]);
    }
    table.to_string()
}

/// Table of one group, with the number of forgotten members.
pub(crate) fn group(group: &GroupInfo) -> String {
    let mut text = groups(std::slice::from_ref(group));
    if group.forgotten > 0 {
        let forgotten = plural(group.forgotten, "record", "records");
        text.push_str(&format!(
            "{forgotten} of forgotten members kept, so that no peer restores them; `gm-node purge` drops them.\n"
        ));
    }
    text
}

/// This node's membership, and whether the group is in sync.
fn membership_text(group: &GroupInfo) -> String {
    if !group.hosted {
        return match &group.contact {
            Some(contact) => format!("known by name only, {contact} is a member"),
            None => "known by name only".to_owned(),
        };
    }
    if let Some(millis) = group.conflict {
        let pause = format_duration(Duration::from_millis(millis));
        let by = group
            .conflict_reported_by
            .as_ref()
            .map_or_else(String::new, |node| format!(", last reported by {node}"));
        return format!(
            "CONFLICT: another node writes under this node's address{by}; this node's writes are paused until {pause} pass without it"
        );
    }
    let member = match (group.leaving, group.member) {
        (true, _) => "left, not acknowledged yet",
        (false, true) => "member",
        (false, false) => "not a member",
    };
    let sync = group.sync.as_ref().map_or_else(String::new, |sync| format!(", {}", sync_text(sync)));
    format!("{member}{sync}")
}

#[cfg(test)]
mod tests {
    use gm_daemon::api::{SyncInfo, SyncState};

    use super::super::samples::{contact_group, hosted_group};
    use super::*;

    #[test]
    fn groups_are_a_table_with_membership_and_sync() {
        let conflict = GroupInfo {
            conflict: Some(2_000),
            conflict_reported_by: Some("10.0.0.9:29999".into()),
            ..hosted_group()
        };
        let unverified =
            SyncInfo { state: SyncState::Unverified, verified: false, with: None, seconds: None };
        let fresh = GroupInfo { in_sync: false, sync: Some(unverified), ..hosted_group() };
        let left = GroupInfo { leaving: true, member: false, ..hosted_group() };
        assert_eq!(
            groups(&[hosted_group(), fresh, left, conflict, contact_group()]),
            "\
GROUP      MEMBERS  ITEMS  FINGERPRINT                       STATUS
Customers        4      7  0123456789abcdef0123456789abcdef  member, in sync with 10.0.0.2:29999 3 s ago
Customers        4      7  0123456789abcdef0123456789abcdef  member, not compared with another member yet
Customers        4      7  0123456789abcdef0123456789abcdef  left, not acknowledged yet, in sync with 10.0.0.2:29999 3 s ago
Customers        4      7  0123456789abcdef0123456789abcdef  CONFLICT: another node writes under this node's address, last reported by 10.0.0.9:29999; this node's writes are paused until 2 s pass without it
Orders           -      -  -                                 known by name only, 10.0.0.9:29999 is a member
"
        );
        assert!(groups(&[]).contains("gm-node join"));
    }

    #[test]
    fn a_group_counts_forgotten_members() {
        assert!(group(&hosted_group()).ends_with(
            "1 record of forgotten members kept, so that no peer restores them; `gm-node purge` drops them.\n"
        ));
    }
}
