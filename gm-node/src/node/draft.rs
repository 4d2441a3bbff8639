//! What is written before it is stored: on a clone of what stands, a draft for each group. Knows
//! nothing of who is told.

use std::collections::BTreeMap;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{ChangeError, Eviction, GroupName, OwnRecordOutcome, Record, Replica, Version, WriteContext};

use super::NodeMachine;
use crate::command::{Wait, Write, WriteError, WriteKind};
use crate::event::NodeEvent;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// A group that is being written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) replica: Replica,
    /// Our record as it stands.
    pub(super) previous: Option<Record>,
    pub(super) changed: bool,
    /// What everybody has to drop, as we came back below it.
    pub(super) own_evictions: Vec<Eviction>,
    /// The leave of our former self.
    pub(super) former_leave: Option<Record>,
    /// What it had said.
    pub(super) former_record: Option<Record>,
    pub(super) answers: Vec<PendingAnswer>,
    /// Others who are forgotten, as the replica of the draft has them.
    pub(super) forgotten: Vec<(NetId, PendingAnswer)>,
}

/// Who is to be answered.
#[derive(Clone, Debug)]
pub(super) struct PendingAnswer {
    pub(super) tag: u64,
    pub(super) wait: Wait,
    pub(super) changed: bool,
    pub(super) version: Version,
}

impl Draft {
    /// The records of others that are written: our former self's, and those of who is forgotten.
    pub(super) fn other_records(&self) -> impl Iterator<Item = &Record> {
        let state = self.replica.state();
        self.former_leave.iter().chain(self.forgotten.iter().filter_map(|(member, _)| state.record(*member)))
    }

    /// The pause after an identity conflict is over, and our record is put above what was claimed.
    fn resume(&mut self, moment: WriteContext) -> Result<gm_data::WriteOutcome, ChangeError> {
        let before = self.replica.own_record().map(Record::version);
        self.replica.end_conflict(moment);
        let claim = self.replica.conflict().greatest_claim();
        let outcome = claim.map(|claim| self.replica.observe_own_record(claim, moment));
        let eviction = match outcome {
            Some(OwnRecordOutcome::Reset { eviction, .. }) => Some(eviction),
            _ => None,
        };
        let version = self.replica.own_record().map(Record::version).ok_or(ChangeError::NotAMember)?;
        Ok(gm_data::WriteOutcome { version, changed: Some(version) != before, increment: None, eviction })
    }
}

impl<S: Store> NodeMachine<S> {
    /// The draft of a group: what stands, to be written on.
    pub(super) fn draft<'a>(
        &self,
        drafts: &'a mut BTreeMap<GroupName, Draft>,
        group: &GroupName,
    ) -> &'a mut Draft {
        drafts.entry(group.clone()).or_insert_with(|| {
            let groups = &self.broadcaster.handler().set;
            let replica = groups.group(group).cloned().unwrap_or_else(|| {
                let fresh = Replica::new(self.me(), group.clone());
                match self.config.default_port {
                    Some(port) => fresh.with_default_port(port),
                    None => fresh,
                }
            });
            let before = replica.own_record().cloned();
            let (answers, forgotten) = (Vec::new(), Vec::new());
            Draft {
                replica,
                previous: before,
                changed: false,
                own_evictions: Vec::new(),
                former_leave: None,
                former_record: None,
                answers,
                forgotten,
            }
        })
    }

    pub(super) fn draft_write(&mut self, now: Time, drafts: &mut BTreeMap<GroupName, Draft>, write: Write) {
        let Write { tag, group, kind: what, wait } = write;
        let moment = self.write_context(now);
        let bounds = self.config.limits;
        let draft = self.draft(drafts, &group);
        let undo = draft.replica.clone();
        let written = match &what {
            WriteKind::Join(ranges) => draft.replica.join(ranges, moment),
            WriteKind::Leave => draft.replica.leave(moment),
            WriteKind::Change(batch) => draft.replica.change(batch, moment),
            WriteKind::Resume => draft.resume(moment),
        };
        let records = draft.replica.state().records().len();
        let own_items = draft.replica.own_record().map_or(0, |own| own.item_counts().1);
        let (live, had) = (draft.replica.state().live_item_count(), undo.state().live_item_count());
        let full = |what, max, bound, else_way| {
            Err(WriteError::LimitReached { what, max, limit: bound, remedy: else_way })
        };
        let result = match written {
            Err(error) => Err(WriteError::Change(error)),
            Ok(_) if undo.own_record().is_none() && records > bounds.records => {
                full("records of a group", bounds.records, "records", "purge those of forgotten members")
            }
            Ok(_) if own_items > bounds.items => {
                full("items of one member", bounds.items, "items", "serve fewer, greater ranges")
            }
            Ok(_) if live > had && live > bounds.group_items => {
                full("items of a group", bounds.group_items, "group_items", "split the group")
            }
            // The place of a new group is taken now, so that two in one tick do not take the same;
            // it is let go if the storage refuses.
            Ok(_) if draft.replica.is_member() && !self.groups_mut().host(now, &group) => {
                full("groups are held", bounds.groups, "groups", "leave a group")
            }
            Ok(written) => Ok(written),
        };
        match result {
            Ok(written) => {
                if draft.previous.is_none()
                    && let Some(hosted) = self.groups_mut().hosted.get_mut(&group)
                {
                    hosted.joining = true;
                }
                draft.changed |= written.changed;
                draft.own_evictions.extend(written.eviction);
                draft.answers.push(PendingAnswer {
                    tag,
                    wait,
                    changed: written.changed,
                    version: written.version,
                });
            }
            Err(error) => {
                draft.replica = undo;
                self.answer(tag, Some(group), Err(error));
            }
        }
    }

    pub(super) fn draft_refutation(
        &mut self,
        now: Time,
        drafts: &mut BTreeMap<GroupName, Draft>,
        group: GroupName,
        hear: impl FnOnce(&mut Replica, WriteContext) -> OwnRecordOutcome,
    ) {
        let moment = self.write_context(now);
        let draft = self.draft(drafts, &group);
        let outcome = hear(&mut draft.replica, moment);
        match outcome {
            OwnRecordOutcome::Refuted(_) => {
                draft.changed = true;
                self.count("own", "reasserted");
            }
            OwnRecordOutcome::Reset { eviction, .. } => {
                draft.changed = true;
                draft.own_evictions.push(eviction);
            }
            OwnRecordOutcome::Conflict => {
                let until = draft.replica.conflict().paused_until().unwrap_or(moment.millis);
                let pause_millis = until.saturating_sub(moment.millis);
                self.count("own", "conflict");
                let shown_by = self.groups().hosted.get(&group).and_then(|hosted| hosted.conflict_source);
                self.emit(NodeEvent::IdentityConflict { group, pause_millis, reported_by: shown_by });
            }
            OwnRecordOutcome::Nothing | OwnRecordOutcome::Older | OwnRecordOutcome::AlreadyEvicted(_) => {}
        }
    }

    /// The former self leaves, and this one says what that one said: in one batch of the storage.
    pub(super) fn draft_readdress(
        &mut self,
        now: Time,
        drafts: &mut BTreeMap<GroupName, Draft>,
        group: GroupName,
        former: Record,
    ) {
        if planted(Bug::FormerSelfStays) {
            return;
        }
        let moment = self.write_context(now);
        // If the storage refused before, somebody may have spoken under the old address meanwhile.
        let known = self.groups().record(&group, former.member()).unwrap_or(&former).clone();
        let state = gm_data::GroupState::from_records(group.clone(), [known]);
        let mut old = Replica::restore(former.member(), state);
        let left = old.leave(moment);
        let batch: Vec<gm_data::Change> = former.items().map(|item| change_of(&item)).collect();
        let draft = self.draft(drafts, &group);
        draft.own_evictions.extend(left.as_ref().ok().and_then(|left| left.eviction));
        draft.former_leave =
            old.own_record().filter(|_| left.is_ok() && !planted(Bug::FormerSelfNotLeft)).cloned();
        draft.former_record = Some(former);
        if let Ok(written) = draft.replica.change(&batch, moment) {
            draft.changed |= written.changed;
            draft.own_evictions.extend(written.eviction);
        }
        self.count("own", "moved");
    }
}

/// The change that says what an item says.
fn change_of(item: &gm_data::Item) -> gm_data::Change {
    use gm_data::{Change, Op};
    match item.op() {
        Op::Add => Change::Serve { range: item.range(), port: Some(item.port()), priority: item.priority() },
        Op::Get | Op::Rmv => Change::Interest(item.range()),
    }
}
