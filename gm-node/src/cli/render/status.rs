//! How a daemon stands, for people.

use std::time::Duration;

use gm_node::api::{DaemonStatus, SeedInfo, UnauthenticatedInfo};

use super::groups::groups;
use crate::cli::args::format_duration;
use crate::cli::table::{escape_invisible, plural};

/// How it stands, and what an operator should look at.
pub(crate) fn status(status: &DaemonStatus) -> String {
    let mut text = String::new();
    let mut line =
        |head: &str, says: String| text.push_str(&format!("{head:<10} {}\n", escape_invisible(&says)));
    line("node", format!("{}, cluster {}, version {}", status.node, status.cluster, status.version));
    line("up", format_duration(Duration::from_secs(status.uptime)));
    line("data", storage_text(status));
    line("sealed", encryption_text(status));
    line("multicast", status.multicast.clone());
    let peers = plural(status.peers, "other node known", "other nodes known");
    line(
        "peers",
        format!(
            "{peers}, {} of them alive within the last minute, {} heard by multicast",
            status.alive, status.near
        ),
    );
    for seed in &status.seeds {
        line("seed", seed_line(seed));
    }
    if let Some(unproven) = unauthenticated_text(&status.unauthenticated) {
        line("unproven", unproven);
    }
    if status.address_conflict {
        line(
            "CLASH",
            format!("another node uses {} too: give one of the two another --address", status.node),
        );
    }
    let known = if status.known_groups == 0 {
        String::new()
    } else {
        format!(", {} known by name only: gm-node groups", status.known_groups)
    };
    line("groups", format!("{} held{known}", status.groups.len()));
    if !status.groups.is_empty() {
        text.push('\n');
        text.push_str(&groups(&status.groups));
    }
    text.push('\n');
    for warning in &status.warnings {
        text.push_str(&format!("warning: {}\n", escape_invisible(warning)));
    }
    text.push_str(verdict(status));
    text
}

/// Connections without the key, if there was any.
fn unauthenticated_text(unproven: &UnauthenticatedInfo) -> Option<String> {
    let UnauthenticatedInfo { connections, bytes, max_bytes: most_bytes, closed, refused: not_let_in } =
        unproven;
    let any = *connections > 0 || *closed > 0 || *not_let_in > 0;
    any.then(|| {
        format!(
            "{}, {bytes} bytes of at most {most_bytes}; since the start {closed} closed, {not_let_in} not let in",
            plural(*connections, "connection without the key now", "connections without the key now"),
        )
    })
}

fn seed_line(seed: &SeedInfo) -> String {
    let nodes = if seed.nodes.is_empty() || seed.nodes == [seed.seed.as_str()] {
        String::new()
    } else {
        format!(" ({})", seed.nodes.join(", "))
    };
    format!("{}{nodes}: {}", seed.seed, seed.state)
}

fn encryption_text(status: &DaemonStatus) -> String {
    let Some(key) = status.key.as_ref().filter(|_| status.sealed) else {
        return "NO: whoever reaches the port reads and writes everything".to_owned();
    };
    if status.other_keys.is_empty() {
        return format!("yes, by key {key}");
    }
    format!("yes, by key {key}; opened by {} too", status.other_keys.join(", "))
}

fn storage_text(status: &DaemonStatus) -> String {
    match (&status.data_dir, &status.storage) {
        (Some(dir), None) => dir.clone(),
        (Some(dir), Some(error)) => format!("{dir}: NOTHING IS WRITTEN: {error}"),
        (None, _) => "none: what is written here does not survive a restart".to_owned(),
    }
}

fn verdict(status: &DaemonStatus) -> &'static str {
    let conflict = status.groups.iter().any(|group| group.conflict.is_some());
    let well =
        status.warnings.is_empty() && !status.address_conflict && status.storage.is_none() && !conflict;
    if well { "Nothing to look at.\n" } else { "There is something to look at: see above.\n" }
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
sealed     yes, by key 0x3f
multicast  works
peers      3 other nodes known, 3 of them alive within the last minute, 2 heard by multicast
seed       a.example:29999 (10.0.0.2:29999): reached
groups     1 held, 1 known by name only: gm-node groups

GROUP      MEMBERS  ITEMS  FINGERPRINT                       STANDING
Customers        4      7  0123456789abcdef0123456789abcdef  member, in sync with 10.0.0.2:29999 3 s ago

Nothing to look at.
"
        );
    }

    #[test]
    fn decryption_only_keys_are_named() {
        let changing = DaemonStatus { other_keys: vec!["0x7a".into(), "0x01".into()], ..samples::status() };
        assert!(status(&changing).contains("sealed     yes, by key 0x3f; opened by 0x7a, 0x01 too\n"));
    }

    #[test]
    fn connections_without_the_key_are_counted() {
        let unproven =
            UnauthenticatedInfo { connections: 1, bytes: 4_112, max_bytes: 263_168, closed: 40, refused: 7 };
        let says = "unproven   1 connection without the key now, 4112 bytes of at most 263168; since the start 40 closed, 7 not let in\n";
        let text = status(&DaemonStatus { unauthenticated: unproven, ..samples::status() });
        assert!(text.contains(says), "{text}");
        assert!(!status(&samples::status()).contains("unproven"));
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
            "data       /var/lib/gm: NOTHING IS WRITTEN: no space left on the device\n",
            "sealed     NO: ",
            "CLASH      another node uses 10.0.0.1:29999 too",
            "groups     0 held\n\nwarning: multicast is filtered: see --multicast off\nThere is something to look at: see above.\n",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
    }
}
