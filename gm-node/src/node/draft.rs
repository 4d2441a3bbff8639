//! What is written before it is stored: on a clone of what stands, a draft for each group. Knows nothing of who is told.

use std::collections::BTreeMap;

use gm_broadcast::Time;
use gm_clock::NetId;
use gm_data::{ChangeError, Eviction, GroupName, OwnRecordOutcome, Record, Replica, Version, WriteContext};

use super::Node;
use crate::command::{Wait, What, Write, WriteError};
use crate::event::Event;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// A group that is being written.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) replica: Replica,
    /// Our record as it stands.
    pub(super) before: Option<Record>,
    pub(super) changed: bool,
    /// What everybody has to drop, as we came back below it.
    pub(super) returned: Vec<Eviction>,
    /// The leave of our former self.
    pub(super) former: Option<Record>,
    /// What it had said.
    pub(super) moved: Option<Record>,
    pub(super) answers: Vec<Answer>,
    /// Others who are forgotten, as the replica of the draft has them.
    pub(super) forgotten: Vec<(NetId, Answer)>,
}

/// Who is to be answered.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) tag: u64,
    pub(super) wait: Wait,
    pub(super) changed: bool,
    pub(super) version: Version,
}

impl Draft {
    /// The records of others that are written: our former self's, and those of who is forgotten.
    pub(super) fn others(&self) -> impl Iterator<Item = &Record> {
        let state = self.replica.state();
        self.former.iter().chain(self.forgotten.iter().filter_map(|(member, _)| state.record(*member)))
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

impl<S: Store> Node<S> {
    /// The draft of a group: what stands, to be written on.
    pub(super) fn draft<'a>(
        &self,
        drafts: &'a mut BTreeMap<GroupName, Draft>,
        group: &GroupName,
    ) -> &'a mut Draft {
        drafts.entry(group.clone()).or_insert_with(|| {
            let groups = &self.caster.handler().topology;
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
                before,
                changed: false,
                returned: Vec::new(),
                former: None,
                moved: None,
                answers,
                forgotten,
            }
        })
    }

    pub(super) fn draft_write(&mut self, now: Time, drafts: &mut BTreeMap<GroupName, Draft>, write: Write) {
        let Write { tag, group, what, wait } = write;
        let moment = self.moment(now);
        let bounds = self.config.bounds;
        let draft = self.draft(drafts, &group);
        let undo = draft.replica.clone();
        let written = match &what {
            What::Join(ranges) => draft.replica.join(ranges, moment),
            What::Leave => draft.replica.leave(moment),
            What::Change(batch) => draft.replica.change(batch, moment),
            What::Resume => draft.resume(moment),
        };
        let records = draft.replica.state().records().len();
        let own_items = draft.replica.own_record().map_or(0, |own| own.item_counts().1);
        let (live, had) = (draft.replica.state().live_item_count(), undo.state().live_item_count());
        let full = |what, most, bound, else_way| Err(WriteError::Full { what, most, bound, else_way });
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
            // The place of a new group is taken now, so that two in one tick do not take the same; it is let go if the storage refuses.
            Ok(_) if draft.replica.is_member() && !self.groups_mut().hold(now, &group) => {
                full("groups are held", bounds.groups, "groups", "leave a group")
            }
            Ok(written) => Ok(written),
        };
        match result {
            Ok(written) => {
                if draft.before.is_none()
                    && let Some(held) = self.groups_mut().held.get_mut(&group)
                {
                    held.joining = true;
                }
                draft.changed |= written.changed;
                draft.returned.extend(written.eviction);
                draft.answers.push(Answer { tag, wait, changed: written.changed, version: written.version });
            }
            Err(error) => {
                draft.replica = undo;
                self.answer(tag, Some(group), Err(error));
            }
        }
    }

    pub(super) fn draft_reassertion(
        &mut self,
        now: Time,
        drafts: &mut BTreeMap<GroupName, Draft>,
        group: GroupName,
        hear: impl FnOnce(&mut Replica, WriteContext) -> OwnRecordOutcome,
    ) {
        let moment = self.moment(now);
        let draft = self.draft(drafts, &group);
        let outcome = hear(&mut draft.replica, moment);
        match outcome {
            OwnRecordOutcome::Refuted(_) => {
                draft.changed = true;
                self.count("own", "reasserted");
            }
            OwnRecordOutcome::Reset { eviction, .. } => {
                draft.changed = true;
                draft.returned.push(eviction);
            }
            OwnRecordOutcome::Conflict => {
                let until = draft.replica.conflict().paused_until().unwrap_or(moment.millis);
                let pause_millis = until.saturating_sub(moment.millis);
                self.count("own", "conflict");
                let shown_by = self.groups().held.get(&group).and_then(|held| held.claimed);
                self.emit(Event::IdentityConflict { group, pause_millis, shown_by });
            }
            OwnRecordOutcome::Nothing | OwnRecordOutcome::Older | OwnRecordOutcome::AlreadyEvicted(_) => {}
        }
    }

    /// The former self leaves, and this one says what that one said: in one batch of the storage.
    pub(super) fn draft_move(
        &mut self,
        now: Time,
        drafts: &mut BTreeMap<GroupName, Draft>,
        group: GroupName,
        former: Record,
    ) {
        if planted(Bug::FormerSelfStays) {
            return;
        }
        let moment = self.moment(now);
        // If the storage refused before, somebody may have spoken under the old address meanwhile.
        let known = self.groups().record(&group, former.member()).unwrap_or(&former).clone();
        let state = gm_data::GroupState::from_records(group.clone(), [known]);
        let mut old = Replica::restore(former.member(), state);
        let left = old.leave(moment);
        let batch: Vec<gm_data::Change> = former.items().map(|item| change_of(&item)).collect();
        let draft = self.draft(drafts, &group);
        draft.returned.extend(left.as_ref().ok().and_then(|left| left.eviction));
        draft.former = old.own_record().filter(|_| left.is_ok() && !planted(Bug::FormerSelfNotLeft)).cloned();
        draft.moved = Some(former);
        if let Ok(written) = draft.replica.change(&batch, moment) {
            draft.changed |= written.changed;
            draft.returned.extend(written.eviction);
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
