//! What came of a write, for people.

use std::time::Duration;

use gm_node::api::{PurgeResult, WaitOptions, WriteResult};

use crate::cli::args::format_duration;
use crate::cli::table::escape_invisible;

/// Whether fewer have it than were asked for.
pub(crate) fn fell_short(done: &[WriteResult]) -> bool {
    done.iter().any(|done| done.wait != "satisfied")
}

/// One line for each group that was written in.
pub(crate) fn done(done: &[WriteResult], asked: &WaitOptions) -> String {
    if done.is_empty() {
        return "Nothing was written.\n".to_owned();
    }
    done.iter().map(|done| format!("{}\n", line(done, asked))).collect()
}

/// What was dropped.
pub(crate) fn purged(purged: &PurgeResult) -> String {
    let group = escape_invisible(&purged.group);
    match purged.records {
        0 => format!("{group}: no member is forgotten, and nothing is dropped.\n"),
        1 => format!("{group}: 1 record is dropped here, and by every node that hears of it.\n"),
        records => {
            format!("{group}: {records} records are dropped here, and by every node that hears of it.\n")
        }
    }
}

fn line(done: &WriteResult, asked: &WaitOptions) -> String {
    let what = if done.changed { "written" } else { "stood there already" };
    let waited = match done.wait.as_str() {
        _ if asked.wait == "none" || asked.wait == "0" => "no other member was waited for".to_owned(),
        "satisfied" if done.acknowledged == 0 => "this node is configured as the only one".to_owned(),
        "satisfied" if asked.wait == "all" => {
            format!("{}, and none that it concerns is missing", acknowledged(done, asked))
        }
        "satisfied" => acknowledged(done, asked),
        "settled" => format!(
            "but INCOMPLETE: {}. Nobody else can acknowledge it now. The write stands, and the others get it when they are \
             reached",
            outcome(done, asked)
        ),
        "ended" => format!(
            "but the daemon ENDS before the wait is over: {}. The write stands, and the others get it when the daemon runs again",
            outcome(done, asked)
        ),
        _ => format!(
            "but TIMED OUT after {}: {}. The write stands, and the others get it when they are reached",
            format_duration(Duration::from_millis(asked.timeout)),
            outcome(done, asked)
        ),
    };
    let (group, version) = (escape_invisible(&done.group), &done.version);
    format!("{group}: {what}, version {version}; {waited}. Fingerprint {}", done.fingerprint)
}

fn acknowledged(done: &WriteResult, asked: &WaitOptions) -> String {
    let members = if done.acknowledged == 1 { "other member" } else { "other members" };
    format!("{} {members} acknowledged it{}", done.acknowledged, disk(asked))
}

const fn disk(asked: &WaitOptions) -> &'static str {
    if asked.disk { " on disk" } else { "" }
}

/// What became of the members that were asked, where that was not enough.
fn outcome(done: &WriteResult, asked: &WaitOptions) -> String {
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
        format!("{delivered} of {members} other members acknowledged it{}", disk(asked))
    } else {
        format!(
            "{delivered} of {were_asked} members that were asked acknowledged it{}, {members} are known",
            disk(asked)
        )
    };
    if *unreachable > 0 {
        text.push_str(&format!(", {unreachable} could not be reached{}", node_list(names, *unreachable)));
    }
    if *refused > 0 {
        text.push_str(&format!(", {refused} did not {} it", if asked.disk { "store" } else { "take" }));
    }
    if *unknown > 0 {
        text.push_str(&format!(", {unknown} did not answer{}", node_list(silent, *unknown)));
    }
    let wanted = if asked.wait == "one" { 1 } else { asked.wait.parse().unwrap_or(0) };
    if wanted > *members {
        text.push_str(&format!(", and {wanted} were waited for"));
    }
    text
}

/// Some of so many nodes, in brackets.
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

    fn asked(wait: &str, disk: bool) -> WaitOptions {
        WaitOptions { wait: wait.into(), disk, timeout: 5_000 }
    }

    fn ended(wait: &str) -> WriteResult {
        WriteResult { wait: wait.into(), ..samples::done() }
    }

    /// What is said between the version and the fingerprint.
    fn said(done: WriteResult, asked: &WaitOptions) -> String {
        assert_eq!(fell_short(std::slice::from_ref(&done)), done.wait != "satisfied");
        let text = super::done(&[done], asked);
        let text = text.strip_prefix("Customers: written, version 3.7; ").unwrap();
        text.strip_suffix(". Fingerprint 0123456789abcdef0123456789abcdef\n").unwrap().to_owned()
    }

    #[test]
    fn a_write_says_whether_it_was_written() {
        assert_eq!(
            done(&[samples::done(), WriteResult { changed: false, ..samples::done() }], &asked("none", false)),
            "\
Customers: written, version 3.7; no other member was waited for. Fingerprint 0123456789abcdef0123456789abcdef
Customers: stood there already, version 3.7; no other member was waited for. Fingerprint 0123456789abcdef0123456789abcdef
"
        );
    }

    #[test]
    fn a_wait_that_is_satisfied_says_how_many_acknowledged() {
        let all = WriteResult { acknowledged: 3, ..ended("satisfied") };
        let text = "3 other members acknowledged it on disk, and none that it concerns is missing";
        assert_eq!(said(all, &asked("all", true)), text);
        let one = WriteResult { acknowledged: 1, ..ended("satisfied") };
        assert_eq!(said(one, &asked("one", false)), "1 other member acknowledged it");
        let alone = WriteResult { members: 0, ..ended("satisfied") };
        assert_eq!(said(alone, &asked("all", false)), "this node is configured as the only one");
    }

    /// That nobody is known is said only if nobody is known.
    #[test]
    fn a_wait_that_falls_short_says_why() {
        let end = "The write stands, and the others get it when they are reached";
        let late = |why: &str| format!("but TIMED OUT after 5 s: {why}. {end}");
        let unknown = "no other member is known (see `gm-node peers`)";
        assert_eq!(
            said(WriteResult { members: 0, ..ended("timed-out") }, &asked("all", false)),
            late(unknown)
        );
        let names = vec!["10.0.0.3:29999".to_owned()];
        let silent = WriteResult { members: 2, unknown: 2, unknown_nodes: names, ..ended("timed-out") };
        let text = "0 of 2 other members acknowledged it, 2 did not answer (10.0.0.3:29999, ...)";
        assert_eq!(said(silent, &asked("all", false)), late(text));
        let some = WriteResult { members: 9, acknowledged: 1, unknown: 2, ..ended("timed-out") };
        let text = "1 of 3 members that were asked acknowledged it, 9 are known, 2 did not answer";
        assert_eq!(said(some, &asked("2", false)), late(text));
        let few = WriteResult { members: 1, acknowledged: 1, ..ended("timed-out") };
        let text = "1 of 1 other members acknowledged it, and 3 were waited for";
        assert_eq!(said(few, &asked("3", false)), late(text));
        let cut = WriteResult { members: 2, unknown: 2, ..ended("ended") };
        let text = "but the daemon ENDS before the wait is over: 0 of 2 other members acknowledged it, 2 did not answer. The write stands, and \
                    the others get it when the daemon runs again";
        assert_eq!(said(cut, &asked("all", false)), text);
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
            ..ended("settled")
        };
        let text = "but INCOMPLETE: 1 of 5 other members acknowledged it on disk, 2 could not be reached (10.0.0.3:29999, ...), \
                    1 did not store it, 1 did not answer. Nobody else can acknowledge it now. The write stands, and the others get \
                    it when they are reached";
        assert_eq!(said(short.clone(), &asked("all", true)), text);
        assert!(said(short, &asked("all", false)).contains("1 did not take it"));
    }
}
