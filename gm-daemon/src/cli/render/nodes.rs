//! Members and peers as text.

use std::time::Duration;

use gm_daemon::api::{self, PeerInfo};

use super::listing::ListRenderer;
use super::ranges::share;
use super::sync::note;
use crate::cli::args::format_duration;
use crate::cli::table::{Left, Right, StreamedTable, Table, escape_invisible, plural};

/// Table of the members of a group.
#[derive(Debug)]
pub(crate) struct Members {
    table: StreamedTable,
    count: usize,
    idle: usize,
}

impl Members {
    pub(crate) fn new() -> Members {
        let table = StreamedTable::new(&[
            ("NODE", Left),
            ("SERVES", Right),
            ("SHARE OF KEYS", Right),
            ("INTERESTS", Right),
            ("VERSION", Left),
        ]);
        Members { table, count: 0, idle: 0 }
    }
}

impl ListRenderer for Members {
    type Head = api::MemberList;
    type Item = api::MemberInfo;

    fn items(head: &mut api::MemberList) -> Vec<api::MemberInfo> {
        std::mem::take(&mut head.members)
    }

    fn item(&mut self, member: &api::MemberInfo) -> String {
        self.count += 1;
        self.idle += usize::from(member.serves == 0);
        self.table.row([
            member.node.clone(),
            member.serves.to_string(),
            share(member.keys),
            member.interests.to_string(),
            member.version.clone(),
        ])
    }

    fn end(&mut self, head: &api::MemberList) -> String {
        let (table, note) = (self.table.end(), note(&head.sync));
        let rest = match self.idle {
            0 if self.count == 0 => {
                return format!("{} has no members.\n{note}", escape_invisible(&head.group));
            }
            0 => String::new(),
            idle => format!(", {idle} of them serving no range"),
        };
        format!("{table}{}{rest}.\n{note}", plural(self.count, "member", "members"))
    }
}

/// Table of the known peers, and their problems.
pub(crate) fn peers(peers: &[PeerInfo]) -> String {
    if peers.is_empty() {
        return "No other node is known. `gm-node status` shows the state of seeds and multicast, and frames that do not open; name a node with --seed HOST:PORT\n"
            .to_owned();
    }
    let mut table = Table::new(&[
        ("NODE", Left),
        ("LAST HEARD", Left),
        ("CONNECTION", Left),
        ("DATAGRAMS", Left),
        ("FAILURES", Left),
    ]);
    for peer in peers {
        let connection = if peer.connected { "open" } else { "-" };
        table.row([
            peer.node.clone(),
            last_heard_text(peer),
            connection.to_owned(),
            datagrams_text(peer).to_owned(),
            failures_text(peer),
        ]);
    }
    let near = peers.iter().filter(|peer| peer.near).count();
    let known = plural(peers.len(), "other node", "other nodes");
    let problems = peers.iter().flat_map(|peer| peer.problems.iter().map(move |problem| (peer, problem)));
    let problems: String = problems
        .map(|(peer, problem)| format!("{}: {}\n", escape_invisible(&peer.node), escape_invisible(problem)))
        .collect();
    format!(
        "{table}{known}, {near} near (their multicast is received). A listed node is not necessarily alive.\n{problems}"
    )
}

/// Time since a peer was last heard from, and the path.
fn last_heard_text(peer: &PeerInfo) -> String {
    let path = match peer.last_heard_by {
        Some(api::HeardPath::Multicast) => "multicast",
        Some(api::HeardPath::Datagram) => "datagram",
        Some(api::HeardPath::Connection) => "connection",
        None => return "never".to_owned(),
    };
    let ago = Duration::from_secs(peer.last_heard.unwrap_or(0));
    format!("{} ago, {path}", format_duration(ago))
}

const fn datagrams_text(peer: &PeerInfo) -> &'static str {
    match peer.datagrams {
        api::DatagramState::Untested => "untested",
        api::DatagramState::Work => "work",
        api::DatagramState::Lost => "lost",
        api::DatagramState::OtherFamily => "other-family",
    }
}

/// Failures to reach a peer.
fn failures_text(peer: &PeerInfo) -> String {
    let mut words = Vec::new();
    if peer.failures > 0 {
        let how = match peer.failure {
            Some(api::PeerFailure::Refused) => "refused",
            Some(api::PeerFailure::Silent) => "silent",
            None => "failed",
        };
        let next = match peer.retry_in {
            Some(left) => format!("next attempt in {}", format_duration(Duration::from_secs(left))),
            None => "next attempt with the next message".to_owned(),
        };
        words.push(format!("{} {how}, {next}", peer.failures));
    }
    if peer.unanswered > 0 {
        words.push(plural(peer.unanswered as usize, "request unanswered", "requests unanswered"));
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use gm_daemon::api::{DatagramState, HeardPath, MemberInfo, PeerFailure};

    use super::super::{listing::render_list, samples};
    use super::*;

    #[test]
    fn members_say_how_much_they_serve() {
        let member = |node: &str, serves, interests, keys| MemberInfo {
            node: node.into(),
            serves,
            interests,
            keys,
            version: "3.7".into(),
        };
        let answer = |members| api::MemberList { group: "Customers".into(), sync: samples::sync(), members };
        let all = [member("10.0.0.1:29999", 2, 0, 1 << 31), member("10.0.0.22:29999", 0, 1, 0)];
        assert_eq!(
            render_list(Members::new(), answer(all.to_vec())),
            "\
NODE             SERVES  SHARE OF KEYS  INTERESTS  VERSION
10.0.0.1:29999        2         50.0 %          0  3.7
10.0.0.22:29999       0          0.0 %          1  3.7
2 members, 1 of them serving no range.
"
        );
        assert_eq!(render_list(Members::new(), answer(vec![])), "Customers has no members.\n");
    }

    #[test]
    fn peers_show_when_they_were_heard_and_what_failed() {
        let alive = PeerInfo {
            node: "10.0.0.2:29999".into(),
            near: true,
            last_heard: Some(3),
            last_heard_by: Some(HeardPath::Multicast),
            last_multicast: Some(3),
            connected: true,
            datagrams: DatagramState::Work,
            unanswered: 0,
            failures: 0,
            failure: None,
            retry_in: None,
            problems: Vec::new(),
        };
        let dead = PeerInfo {
            node: "10.0.1.1:29999".into(),
            near: false,
            last_heard: Some(600),
            connected: false,
            unanswered: 4,
            failures: 7,
            failure: Some(PeerFailure::Silent),
            retry_in: Some(42),
            ..alive.clone()
        };
        let lost = PeerInfo {
            node: "10.0.1.2:29999".into(),
            last_heard: None,
            last_heard_by: None,
            datagrams: DatagramState::Lost,
            problems: vec!["datagrams are lost".into()],
            ..dead.clone()
        };
        assert_eq!(
            peers(&[alive, dead, lost]),
            "\
NODE            LAST HEARD             CONNECTION  DATAGRAMS  FAILURES
10.0.0.2:29999  3 s ago, multicast     open        work
10.0.1.1:29999  10 min ago, multicast  -           work       7 silent, next attempt in 42 s; 4 requests unanswered
10.0.1.2:29999  never                  -           lost       7 silent, next attempt in 42 s; 4 requests unanswered
3 other nodes, 1 near (their multicast is received). A listed node is not necessarily alive.
10.0.1.2:29999: datagrams are lost
"
        );
        assert!(peers(&[]).contains("--seed"));
    }
}
