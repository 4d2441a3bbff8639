//! Records that are asked for because an increment did not fit: one question a member, to one who has shown that version, again to another until it is
//! answered or given up. Knows nothing of what is answered.

use gm_broadcast::{Path, Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, RecordRequests};
use gm_data::{GroupName, Version};

use super::Node;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// A question that is open.
#[derive(Debug)]
pub(super) struct Question {
    /// What was shown.
    version: Version,
    /// By whom, the last few.
    shown: Vec<NetId>,
    /// When it is asked, or asked again.
    due: Time,
    asked: u32,
    /// How it is asked first; again it is asked by a connection.
    by: Transport,
}

/// Nodes that are remembered of those who have shown a version.
const SHOWN: usize = 8;
/// So many questions about one member go by datagram, if what did not fit came by one; then connections are used.
const DATAGRAMS: u32 = 2;
/// A question is asked so often; then anti-entropy has to find the difference.
const ASKED: u32 = 6;

impl<S: Store> Node<S> {
    pub(super) fn next_question(&self) -> Option<Time> {
        self.questions.values().map(|question| question.due).min()
    }

    /// An increment of a member did not fit.
    pub(super) fn on_misfit(
        &mut self,
        now: Time,
        group: &GroupName,
        (member, version): (NetId, Version),
        from: NetId,
        path: Path,
    ) {
        self.count("increment", "does not fit");
        let most = self.config.bounds.questions;
        let key = (group.clone(), member);
        if !self.questions.contains_key(&key) && self.questions.len() >= most {
            return self.count("dropped", "question, too many");
        }
        // Many hear a multicast at one time: not all ask at once.
        let jitter = match path {
            Path::Multicast => self.chance.duration_up_to(self.config.times.question),
            Path::Datagram | Path::Connection => std::time::Duration::ZERO,
        };
        let due = now + jitter;
        let by = Transport::from(path);
        let question =
            self.questions.entry(key).or_insert(Question { version, shown: Vec::new(), due, asked: 0, by });
        if version > question.version {
            question.shown.clear();
            question.version = version;
        }
        if version == question.version && !question.shown.contains(&from) {
            question.shown.truncate(SHOWN - 1);
            question.shown.push(from);
        }
    }

    /// A record was taken: it may be what was asked for.
    pub(super) fn settle_question(&mut self, group: &GroupName, member: NetId) {
        let key = (group.clone(), member);
        let Some(question) = self.questions.get(&key) else { return };
        if self.groups().version(group, member).is_some_and(|version| version >= question.version) {
            self.questions.remove(&key);
        }
    }

    /// Asks what is due.
    pub(super) fn ask_again(&mut self, now: Time) {
        let due = |question: &Question| question.due <= now;
        let keys: Vec<(GroupName, NetId)> =
            self.questions.iter().filter(|(_, question)| due(question)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            let known = self.groups().version(&key.0, key.1).filter(|version| !version.forgotten);
            let Some(question) = self.questions.get_mut(&key) else { continue };
            let given_up = question.asked >= if planted(Bug::QuestionNotRetried) { 1 } else { ASKED };
            if given_up || question.shown.is_empty() {
                self.questions.remove(&key);
                continue;
            }
            let to = question.shown[self.chance.index(question.shown.len())];
            let retry = self.config.times.question_retry.saturating_mul(1 << question.asked.min(ASKED));
            let by = if question.asked < DATAGRAMS { question.by } else { Transport::Tcp };
            question.asked += 1;
            question.due = now + retry;
            // What the first one sends for an increment may not fit again: then the whole record is wanted.
            let known = known.filter(|_| question.asked <= 2);
            let known = known.map(|version| (version.incarnation, version.clock));
            let (name, member) = key;
            self.count("question", "asked");
            let body = RecordRequests { name, requests: vec![(member, known)] };
            self.send(now, to, Body::RecordRequests(body), by);
        }
    }
}
