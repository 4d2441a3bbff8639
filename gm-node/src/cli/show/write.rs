//! What came of a write, for people.

use std::time::Duration;

use gm_node::api::{Done, Wait};

use crate::cli::args::spelled;
use crate::cli::table::plain;

/// Whether fewer have it than were asked for.
pub(crate) fn fell_short(done: &[Done]) -> bool {
    done.iter().any(|done| done.wait != "satisfied")
}

/// One line for each group that was written in.
pub(crate) fn done(done: &[Done], asked: &Wait) -> String {
    if done.is_empty() {
        return "Nothing was written.\n".to_owned();
    }
    done.iter().map(|done| format!("{}\n", line(done, asked))).collect()
}

fn line(done: &Done, asked: &Wait) -> String {
    let what = if done.changed { "written" } else { "stood there already" };
    let nobody = asked.wait == "none" || asked.wait == "0";
    let waited = match done.wait.as_str() {
        _ if nobody => "nobody was waited for".to_owned(),
        "satisfied" if asked.wait == "all" => format!("{}, all whom it concerns", have(done, asked)),
        "satisfied" => have(done, asked),
        "settled" => format!(
            "but SHORT of what was asked for: {}{}. More is not to be expected now; the others hear of it when they \
             are reached again",
            have(done, asked),
            missing(done)
        ),
        _ => format!(
            "but TIMED OUT after {}: {}{}. It stands, and goes on to the others",
            spelled(Duration::from_millis(asked.timeout)),
            have(done, asked),
            missing(done)
        ),
    };
    let (group, version) = (plain(&done.group), &done.version);
    format!("{group}: {what}, version {version}; {waited}. Fingerprint {}", done.fingerprint)
}

fn have(done: &Done, asked: &Wait) -> String {
    let disk = if asked.disk { " on disk" } else { "" };
    match done.delivered {
        0 => format!("nobody else has it{disk}"),
        1 => format!("1 other has it{disk}"),
        many => format!("{many} others have it{disk}"),
    }
}

fn missing(done: &Done) -> String {
    let mut text = String::new();
    if done.delivered + done.unreachable + done.unknown == 0 {
        text.push_str(", and no other member is known (see `gm-node peers`)");
    }
    if done.unreachable > 0 {
        text.push_str(&format!(", {} could not be reached or do not count", done.unreachable));
        if !done.names.is_empty() {
            let more = if done.unreachable > done.names.len() as u64 { ", ..." } else { "" };
            text.push_str(&format!(" ({}{more})", done.names.join(", ")));
        }
    }
    if done.unknown > 0 {
        text.push_str(&format!(", of {} nothing is known", done.unknown));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    fn asked(wait: &str, disk: bool) -> Wait {
        Wait { wait: wait.into(), disk, timeout: 5_000 }
    }

    #[test]
    fn a_write_says_who_has_it() {
        let all = Done { delivered: 3, ..samples::done() };
        assert_eq!(
            done(&[samples::done(), Done { changed: false, ..samples::done() }], &asked("none", false)),
            "\
Customers: written, version 3.7; nobody was waited for. Fingerprint 0123456789abcdef0123456789abcdef
Customers: stood there already, version 3.7; nobody was waited for. Fingerprint 0123456789abcdef0123456789abcdef
"
        );
        assert_eq!(
            done(std::slice::from_ref(&all), &asked("all", true)),
            "Customers: written, version 3.7; 3 others have it on disk, all whom it concerns. Fingerprint 0123456789abcdef0123456789abcdef\n"
        );
        assert!(!fell_short(&[all]));
    }

    #[test]
    fn who_is_alone_is_told_so() {
        let alone = Done { wait: "timed-out".into(), ..samples::done() };
        let text = done(&[alone], &asked("all", false));
        assert!(
            text.contains("nobody else has it, and no other member is known (see `gm-node peers`)."),
            "{text}"
        );
    }

    #[test]
    fn a_write_that_falls_short_says_of_whom() {
        let names = vec!["10.0.0.3:29999".to_owned()];
        let short = Done { wait: "settled".into(), delivered: 1, unreachable: 2, names, ..samples::done() };
        let late = Done { wait: "timed-out".into(), unknown: 2, ..samples::done() };
        assert_eq!(
            done(&[short.clone(), late], &asked("all", false)),
            "\
Customers: written, version 3.7; but SHORT of what was asked for: 1 other has it, 2 could not be reached or do not count (10.0.0.3:29999, ...). More is not to be expected now; the others hear of it when they are reached again. Fingerprint 0123456789abcdef0123456789abcdef
Customers: written, version 3.7; but TIMED OUT after 5 s: nobody else has it, of 2 nothing is known. It stands, and goes on to the others. Fingerprint 0123456789abcdef0123456789abcdef
"
        );
        assert!(fell_short(&[samples::done(), short]));
    }
}
