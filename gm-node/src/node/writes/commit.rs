//! Commit of a stored draft: it becomes the state of its group.

use gm_data::{Eviction, GroupName, GroupState, Record};

use super::draft::Draft;
use crate::command::PendingAnswer;
use crate::node::context::Context;

/// The changes of a commit, for those that follow up on it.
#[derive(Debug)]
pub(in crate::node) struct CommittedDraft {
    /// This node's record before; `None` if it had none in the group.
    pub(in crate::node) previous: Option<Record>,
    /// This node's record now.
    pub(in crate::node) own: Option<Record>,
    /// Whether this node's record changed.
    pub(in crate::node) changed: bool,
    /// The record by which this node's former address left.
    pub(in crate::node) former_leave: Option<Record>,
    /// Evictions for all members, because this node's incarnation was reset below the horizon.
    pub(in crate::node) own_evictions: Vec<Eviction>,
    /// Records of members that are forgotten now, each with the answer to the caller.
    pub(in crate::node) forgotten: Vec<(Record, PendingAnswer)>,
    /// The answers to the callers.
    pub(in crate::node) answers: Vec<PendingAnswer>,
}

/// Makes a draft the state of its group, together with what was merged while the store worked.
pub(super) fn install(cx: &mut Context, group: &GroupName, draft: Draft) -> CommittedDraft {
    let others: Vec<Record> = draft.other_records().cloned().collect();
    let Draft { replica, previous, changed, own_evictions, former_leave, answers, forgotten, .. } = draft;
    let own = replica.own_record().cloned();
    let groups = &mut cx.groups;
    if let Some(hosted) = groups.hosted.get_mut(group) {
        hosted.joining = false;
    }
    // If the group was released meanwhile, only our own record is kept.
    let kept = groups.hosted.contains_key(group);
    groups.set.edit(group, |committed| {
        committed.commit(replica);
        if kept {
            let _ = committed.merge_others(&GroupState::from_records(group.clone(), others.iter().cloned()));
        }
    });
    if changed || !others.is_empty() {
        groups.changed_groups.insert(group.clone());
    }
    let fingerprint = groups.set.group(group).map_or(0, |committed| committed.state().fingerprint());
    let with_fingerprint = |answer| PendingAnswer { fingerprint, ..answer };
    let record = |member| others.iter().find(|record| record.member() == member).cloned();
    let forgotten = forgotten
        .into_iter()
        .filter_map(|(member, answer)| Some((record(member)?, with_fingerprint(answer))))
        .collect();
    let answers = answers.into_iter().map(with_fingerprint).collect();
    CommittedDraft { previous, own, changed, former_leave, own_evictions, forgotten, answers }
}
