//! How groups stand, for people.

use std::time::Duration;

use gm_node::api::GroupInfo;

use super::sync::sync_text;
use crate::cli::args::format_duration;
use crate::cli::table::{Left, Right, Table, plural};

/// All groups of a node, held or only known by name.
pub(crate) fn groups(groups: &[GroupInfo]) -> String {
    if groups.is_empty() {
        return "No group is held or known here. Join one: gm-node join GROUP\n".to_owned();
    }
    let mut table = Table::new(&[
        ("GROUP", Left),
        ("MEMBERS", Right),
        ("ITEMS", Right),
        ("FINGERPRINT", Left),
        ("STANDING", Left),
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

/// One group.
pub(crate) fn group(group: &GroupInfo) -> String {
    let mut text = groups(std::slice::from_ref(group));
    if group.forgotten > 0 {
        let gone = plural(group.forgotten, "forgotten member is", "forgotten members are");
        text.push_str(&format!(
            "{gone} remembered, so that nobody brings them back; `gm-node purge` drops them.\n"
        ));
    }
    text
}

/// How we stand in it, in words.
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
            .map_or_else(String::new, |node| format!(", last shown by {node}"));
        return format!(
            "CONFLICT: another node writes under our address{by}; nothing is written until it was silent for {pause} more"
        );
    }
    let member = match (group.leaving, group.member) {
        (true, _) => "left, and telling the others",
        (false, true) => "member",
        (false, false) => "not a member",
    };
    let sync = group.sync.as_ref().map_or_else(String::new, |sync| format!(", {}", sync_text(sync)));
    format!("{member}{sync}")
}

#[cfg(test)]
mod tests {
    use gm_node::api::SyncInfo;

    use super::super::samples::{contact_group, hosted_group};
    use super::*;

    #[test]
    fn groups_are_a_table_with_membership_and_sync() {
        let conflict = GroupInfo {
            conflict: Some(2_000),
            conflict_reported_by: Some("10.0.0.9:29999".into()),
            ..hosted_group()
        };
        let unverified = SyncInfo { state: "unverified".into(), verified: false, with: None, seconds: None };
        let fresh = GroupInfo { in_sync: false, sync: Some(unverified), ..hosted_group() };
        let left = GroupInfo { leaving: true, member: false, ..hosted_group() };
        assert_eq!(
            groups(&[hosted_group(), fresh, left, conflict, contact_group()]),
            "\
GROUP      MEMBERS  ITEMS  FINGERPRINT                       STANDING
Customers        4      7  0123456789abcdef0123456789abcdef  member, in sync with 10.0.0.2:29999 3 s ago
Customers        4      7  0123456789abcdef0123456789abcdef  member, not compared with another member yet
Customers        4      7  0123456789abcdef0123456789abcdef  left, and telling the others, in sync with 10.0.0.2:29999 3 s ago
Customers        4      7  0123456789abcdef0123456789abcdef  CONFLICT: another node writes under our address, last shown by 10.0.0.9:29999; nothing is written until it was silent for 2 s more
Orders           -      -  -                                 known by name only, 10.0.0.9:29999 is a member
"
        );
        assert!(groups(&[]).contains("gm-node join"));
    }

    #[test]
    fn a_group_counts_forgotten_members() {
        assert!(group(&hosted_group()).ends_with(
            "1 forgotten member is remembered, so that nobody brings them back; `gm-node purge` drops them.\n"
        ));
    }
}
