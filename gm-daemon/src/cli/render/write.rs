//! Results of writes as text.

use std::time::Duration;

use gm_daemon::api::{PurgeResult, WaitCount, WaitOptions, WaitResult, WriteResult};

use crate::cli::args::format_duration;
use crate::cli::table::{escape_invisible, plural};

/// Whether a wait ended with fewer acknowledgements than requested.
pub(crate) fn fell_short(done: &[WriteResult]) -> bool {
    done.iter().any(|done| done.wait != WaitResult::Satisfied)
}

/// Formats one line for each group.
pub(crate) fn done(done: &[WriteResult], requested: &WaitOptions) -> String {
    if done.is_empty() {
        return "Nothing was written.\n".to_owned();
    }
    done.iter().map(|done| format!("{}\n", line(done, requested))).collect()
}

/// Result of a purge.
pub(crate) fn purged(purged: &PurgeResult) -> String {
    let group = escape_invisible(&purged.group);
    match purged.records {
        0 => format!("{group}: there are no forgotten members; nothing is dropped.\n"),
        records => {
            let records = plural(records, "record", "records");
            format!("{group}: {records} dropped here; other nodes drop them when they receive the order.\n")
        }
    }
}

fn line(done: &WriteResult, requested: &WaitOptions) -> String {
    let what = if done.changed { "written" } else { "unchanged" };
    let waited = match done.wait {
        _ if matches!(requested.wait, WaitCount::None | WaitCount::Members(0)) => {
            "no acknowledgement was requested".to_owned()
        }
        WaitResult::Satisfied if done.acknowledged == 0 => {
            "single-node mode, no other member to wait for".to_owned()
        }
        WaitResult::Satisfied if requested.wait == WaitCount::All => {
            format!("{}, all affected members among them", acknowledged(done, requested))
        }
        WaitResult::Satisfied => acknowledged(done, requested),
        WaitResult::Settled => format!(
            "INCOMPLETE: {}. The remaining members cannot acknowledge now. The write stands, and they receive it when they \
             reconnect",
            outcome(done, requested)
        ),
        WaitResult::Ended => format!(
            "SHUTDOWN of the daemon ended the wait: {}. The write stands, and the remaining members receive it when the daemon runs again",
            outcome(done, requested)
        ),
        WaitResult::TimedOut => format!(
            "TIMED OUT after {}: {}. The write stands, and the remaining members receive it when they reconnect",
            format_duration(Duration::from_millis(requested.timeout)),
            outcome(done, requested)
        ),
    };
    let (group, version) = (escape_invisible(&done.group), &done.version);
    format!("{group}: {what}, version {version}; {waited}. Fingerprint {}", done.fingerprint)
}

fn acknowledged(done: &WriteResult, requested: &WaitOptions) -> String {
    let members = if done.acknowledged == 1 { "other member" } else { "other members" };
    format!("{} {members} acknowledged{}", done.acknowledged, disk(requested))
}

const fn disk(requested: &WaitOptions) -> &'static str {
    if requested.disk { " on disk" } else { "" }
}

/// Number of members with each result, if the wait was not satisfied.
fn outcome(done: &WriteResult, requested: &WaitOptions) -> String {
    let WriteResult {
        members,
        acknowledged: delivered,
        refused,
        unreachable,
        unknown,
        unreachable_nodes: names,
        unknown_nodes: silent,
        ..
    } = done;
    if *members == 0 {
        return "no other member is known (see `gm-node peers`)".to_owned();
    }
    let were_asked = delivered + refused + unreachable + unknown;
    let mut text = if were_asked == *members {
        format!("{delivered} of {members} other members acknowledged{}", disk(requested))
    } else {
        format!(
            "{delivered} of {were_asked} members that were asked acknowledged{}, {members} are known",
            disk(requested)
        )
    };
    if *unreachable > 0 {
        text.push_str(&format!(", {unreachable} could not be reached{}", node_list(names, *unreachable)));
    }
    if *refused > 0 {
        text.push_str(&format!(
            ", {refused} {}",
            if requested.disk { "cannot store it" } else { "do not host the group" }
        ));
    }
    if *unknown > 0 {
        text.push_str(&format!(", {unknown} did not answer{}", node_list(silent, *unknown)));
    }
    if let WaitCount::Members(wanted) = requested.wait
        && wanted > *members
    {
        text.push_str(&format!(", {wanted} were requested"));
    }
    text
}

/// Some of `of` nodes, in brackets.
fn node_list(nodes: &[String], of: u64) -> String {
    if nodes.is_empty() {
        return String::new();
    }
    let more = if of > nodes.len() as u64 { ", ..." } else { "" };
    format!(" ({}{more})", nodes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn requested(wait: &str, disk: bool) -> WaitOptions {
        WaitOptions { wait: wait.parse().unwrap(), disk, timeout: 5_000 }
    }

    fn ended(wait: WaitResult) -> WriteResult {
        WriteResult { wait, ..samples::done() }
    }

    /// The text between the version and the fingerprint.
    fn wait_text(done: WriteResult, requested: &WaitOptions) -> String {
        assert_eq!(fell_short(std::slice::from_ref(&done)), done.wait != WaitResult::Satisfied);
        let text = super::done(&[done], requested);
        let text = text.strip_prefix("Customers: written, version 3.7; ").unwrap();
        text.strip_suffix(". Fingerprint 0123456789abcdef0123456789abcdef\n").unwrap().to_owned()
    }

    #[test]
    fn a_write_says_whether_it_was_written() {
        assert_eq!(
            done(&[samples::done(), WriteResult { changed: false, ..samples::done() }], &requested("none", false)),
            "\
Customers: written, version 3.7; no acknowledgement was requested. Fingerprint 0123456789abcdef0123456789abcdef
Customers: unchanged, version 3.7; no acknowledgement was requested. Fingerprint 0123456789abcdef0123456789abcdef
"
        );
    }

    #[test]
    fn a_wait_that_is_satisfied_says_how_many_acknowledged() {
        let all = WriteResult { acknowledged: 3, ..ended(WaitResult::Satisfied) };
        let text = "3 other members acknowledged on disk, all affected members among them";
        assert_eq!(wait_text(all, &requested("all", true)), text);
        let one = WriteResult { acknowledged: 1, ..ended(WaitResult::Satisfied) };
        assert_eq!(wait_text(one, &requested("one", false)), "1 other member acknowledged");
        let alone = WriteResult { members: 0, ..ended(WaitResult::Satisfied) };
        assert_eq!(
            wait_text(alone, &requested("all", false)),
            "single-node mode, no other member to wait for"
        );
    }

    #[test]
    fn a_wait_that_falls_short_says_why() {
        let end = "The write stands, and the remaining members receive it when they reconnect";
        let late = |why: &str| format!("TIMED OUT after 5 s: {why}. {end}");
        let unknown = "no other member is known (see `gm-node peers`)";
        assert_eq!(
            wait_text(WriteResult { members: 0, ..ended(WaitResult::TimedOut) }, &requested("all", false)),
            late(unknown)
        );
        let names = vec!["10.0.0.3:29999".to_owned()];
        let silent =
            WriteResult { members: 2, unknown: 2, unknown_nodes: names, ..ended(WaitResult::TimedOut) };
        let text = "0 of 2 other members acknowledged, 2 did not answer (10.0.0.3:29999, ...)";
        assert_eq!(wait_text(silent, &requested("all", false)), late(text));
        let some = WriteResult { members: 9, acknowledged: 1, unknown: 2, ..ended(WaitResult::TimedOut) };
        let text = "1 of 3 members that were asked acknowledged, 9 are known, 2 did not answer";
        assert_eq!(wait_text(some, &requested("2", false)), late(text));
        let few = WriteResult { members: 1, acknowledged: 1, ..ended(WaitResult::TimedOut) };
        let text = "1 of 1 other members acknowledged, 3 were requested";
        assert_eq!(wait_text(few, &requested("3", false)), late(text));
        let cut = WriteResult { members: 2, unknown: 2, ..ended(WaitResult::Ended) };
        let text = "SHUTDOWN of the daemon ended the wait: 0 of 2 other members acknowledged, 2 did not answer. The write stands, and \
                    the remaining members receive it when the daemon runs again";
        assert_eq!(wait_text(cut, &requested("all", false)), text);
    }

    #[test]
    fn a_wait_that_cannot_be_met_names_the_missing_nodes() {
        let names = vec!["10.0.0.3:29999".to_owned()];
        let short = WriteResult {
            members: 5,
            acknowledged: 1,
            refused: 1,
            unreachable: 2,
            unknown: 1,
            unreachable_nodes: names,
            ..ended(WaitResult::Settled)
        };
        let text = "INCOMPLETE: 1 of 5 other members acknowledged on disk, 2 could not be reached (10.0.0.3:29999, ...), \
                    1 cannot store it, 1 did not answer. The remaining members cannot acknowledge now. The write stands, and they \
                    receive it when they reconnect";
        assert_eq!(wait_text(short.clone(), &requested("all", true)), text);
        assert!(wait_text(short, &requested("all", false)).contains("1 do not host the group"));
    }
}
