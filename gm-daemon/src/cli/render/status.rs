//! Status of a daemon as text.

use std::time::Duration;

use gm_daemon::api::{DaemonStatus, SeedCondition, SeedInfo, UnauthenticatedInfo};

use super::groups::groups;
use crate::cli::args::format_duration;
use crate::cli::table::{escape_invisible, plural};

/// The status, the groups, the warnings and a verdict.
pub(crate) fn status(status: &DaemonStatus) -> String {
    let mut text = String::new();
    let mut line =
        |head: &str, value: String| text.push_str(&format!("{head:<10} {}\n", escape_invisible(&value)));
    line("node", format!("{}, cluster {}, version {}", status.node, status.cluster, status.version));
    line("up", format_duration(Duration::from_secs(status.uptime)));
    line("data", storage_text(status));
    line("encrypted", encryption_text(status));
    line("multicast", status.multicast.clone());
    let peers = plural(status.peers, "other node known", "other nodes known");
    line(
        "peers",
        format!(
            "{peers}, {} of them alive within the last minute, {} near (multicast)",
            status.alive, status.near
        ),
    );
    for seed in &status.seeds {
        line("seed", seed_line(seed));
    }
    if let Some(usage) = unauthenticated_text(&status.unauthenticated) {
        line("pre-auth", usage);
    }
    if status.address_conflict {
        line(
            "CONFLICT",
            format!("another node uses {} too: give one of them another --address", status.node),
        );
    }
    let known = if status.known_groups == 0 {
        String::new()
    } else {
        format!(", {} known by name only (see gm-node groups)", status.known_groups)
    };
    line("groups", format!("{} hosted{known}", status.groups.len()));
    if !status.groups.is_empty() {
        text.push('\n');
        text.push_str(&groups(&status.groups));
    }
    text.push('\n');
    for warning in &status.warnings {
        text.push_str(&format!("warning: {}\n", escape_invisible(warning)));
    }
    text.push_str(&verdict(status));
    text
}

/// Connections before authentication, if there were any.
fn unauthenticated_text(usage: &UnauthenticatedInfo) -> Option<String> {
    let UnauthenticatedInfo { connections, bytes, max_bytes, closed, refused } = usage;
    let any = *connections > 0 || *closed > 0 || *refused > 0;
    any.then(|| {
        format!(
            "{}, {bytes} of at most {max_bytes} bytes in use; {closed} closed and {refused} refused since the start",
            plural(*connections, "unauthenticated connection", "unauthenticated connections"),
        )
    })
}

fn seed_line(seed: &SeedInfo) -> String {
    let nodes = if seed.nodes.is_empty() || seed.nodes == [seed.seed.as_str()] {
        String::new()
    } else {
        format!(" ({})", seed.nodes.join(", "))
    };
    format!("{}{nodes}: {}", seed.seed, seed_state(seed.state))
}

const fn seed_state(state: SeedCondition) -> &'static str {
    match state {
        SeedCondition::Reached => "reached",
        SeedCondition::Ourselves => "this node",
        SeedCondition::Pending => "name is being resolved",
        SeedCondition::NotResolved => "name does not resolve",
        SeedCondition::NoUsableAddress => "no usable address",
        SeedCondition::Refused => "connection refused",
        SeedCondition::Silent => "no answer",
        SeedCondition::ClosesBeforeFirstFrame => "closes connections before the first frame",
        SeedCondition::NotHeard => "not heard from yet",
    }
}

fn encryption_text(status: &DaemonStatus) -> String {
    let Some(key) = status.key.as_ref().filter(|_| status.sealed) else {
        return "NO: everyone who can reach the port can read and write everything".to_owned();
    };
    if status.other_keys.is_empty() {
        return format!("yes, with key {key}");
    }
    format!("yes, with key {key}; frames with keys {} are opened too", status.other_keys.join(", "))
}

fn storage_text(status: &DaemonStatus) -> String {
    match (&status.data_dir, &status.storage) {
        (Some(dir), None) => dir.clone(),
        (Some(dir), Some(error)) => format!("{dir}: WRITES FAIL: {error}"),
        (None, _) => "none: nothing survives a restart".to_owned(),
    }
}

fn verdict(status: &DaemonStatus) -> String {
    let conflict = status.groups.iter().any(|group| group.conflict.is_some());
    let well =
        status.warnings.is_empty() && !status.address_conflict && status.storage.is_none() && !conflict;
    match status.warnings.len() {
        0 if well => "Healthy.\n".to_owned(),
        0 => "Problems found (see above).\n".to_owned(),
        count => format!("{} (see above).\n", plural(count, "warning", "warnings")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_healthy_daemon_is_reported_as_such() {
        assert_eq!(
            status(&samples::status()),
            "\
node       10.0.0.1:29999, cluster production, version 0.1.0
up         2 h 1 min
data       /var/lib/gm
encrypted  yes, with key 0x3f
multicast  works
peers      3 other nodes known, 3 of them alive within the last minute, 2 near (multicast)
seed       a.example:29999 (10.0.0.2:29999): reached
groups     1 hosted, 1 known by name only (see gm-node groups)

GROUP      MEMBERS  ITEMS  FINGERPRINT                       STATUS
Customers        4      7  0123456789abcdef0123456789abcdef  member, in sync with 10.0.0.2:29999 3 s ago

Healthy.
"
        );
    }

    #[test]
    fn decryption_only_keys_are_named() {
        let changing = DaemonStatus { other_keys: vec!["0x7a".into(), "0x01".into()], ..samples::status() };
        assert!(
            status(&changing)
                .contains("encrypted  yes, with key 0x3f; frames with keys 0x7a, 0x01 are opened too\n")
        );
    }

    #[test]
    fn unauthenticated_connections_are_counted() {
        let usage =
            UnauthenticatedInfo { connections: 1, bytes: 4_112, max_bytes: 263_168, closed: 40, refused: 7 };
        let expected = "pre-auth   1 unauthenticated connection, 4112 of at most 263168 bytes in use; 40 closed and 7 refused since the start\n";
        let text = status(&DaemonStatus { unauthenticated: usage, ..samples::status() });
        assert!(text.contains(expected), "{text}");
        assert!(!status(&samples::status()).contains("pre-auth"));
    }

    #[test]
    fn warnings_are_shown_with_remedies() {
        let text = status(&DaemonStatus {
            storage: Some("no space left on the device".into()),
            sealed: false,
            address_conflict: true,
            groups: Vec::new(),
            known_groups: 0,
            warnings: vec!["multicast is filtered: see --multicast off".into()],
            ..samples::status()
        });
        for line in [
            "data       /var/lib/gm: WRITES FAIL: no space left on the device\n",
            "encrypted  NO: ",
            "CONFLICT   another node uses 10.0.0.1:29999 too",
            "groups     0 hosted\n\nwarning: multicast is filtered: see --multicast off\n1 warning (see above).\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
