//! Drafts: uncommitted copies of replicas, one for each group, to which writes are applied before
//! they are stored.

use std::collections::BTreeMap;

use gm_clock::NetId;
use gm_data::{ChangeError, Eviction, GroupName, OwnRecordOutcome, Record, Replica, WriteContext};

use crate::command::{PendingAnswer, Wait, Write, WriteError, WriteKind};
use crate::counter::NodeCounter;
use crate::event::NodeEvent;
use crate::node::context::Context;
use crate::store::Batch;

/// A replica with uncommitted writes.
#[derive(Clone, Debug)]
pub(in crate::node) struct Draft {
    pub(in crate::node) replica: Replica,
    /// Our own record before the draft.
    pub(in crate::node) previous: Option<Record>,
    pub(in crate::node) changed: bool,
    /// Evictions for all members, because our incarnation was reset below the horizon.
    pub(in crate::node) own_evictions: Vec<Eviction>,
    /// The record by which our former address leaves.
    pub(in crate::node) former_leave: Option<Record>,
    /// The record of our former address before it leaves.
    pub(in crate::node) former_record: Option<Record>,
    pub(in crate::node) answers: Vec<PendingAnswer>,
    /// Other members that are forgotten in this draft.
    pub(in crate::node) forgotten: Vec<(NetId, PendingAnswer)>,
}

impl Draft {
    /// The records of other members in this draft: of our former address, and of forgotten members.
    pub(in crate::node) fn other_records(&self) -> impl Iterator<Item = &Record> {
        let state = self.replica.state();
        self.former_leave.iter().chain(self.forgotten.iter().filter_map(|(member, _)| state.record(*member)))
    }

    /// Ends the pause after an identity conflict, and refutes the foreign record.
    fn resume(&mut self, context: WriteContext) -> Result<gm_data::WriteOutcome, ChangeError> {
        let before = self.replica.own_record().map(Record::version);
        self.replica.end_conflict(context);
        let claim = self.replica.conflict().greatest_claim();
        let outcome = claim.map(|claim| self.replica.observe_own_record(claim, context));
        let eviction = match outcome {
            Some(OwnRecordOutcome::Reset { eviction, .. }) => Some(eviction),
            _ => None,
        };
        let version = self.replica.own_record().map(Record::version).ok_or(ChangeError::NotAMember)?;
        Ok(gm_data::WriteOutcome { version, changed: Some(version) != before, increment: None, eviction })
    }
}

/// The drafts of one write tick, by group.
#[derive(Clone, Debug, Default)]
pub(in crate::node) struct Drafts(BTreeMap<GroupName, Draft>);

impl Drafts {
    /// The drafts, in the order of their groups.
    pub(in crate::node) fn into_groups(self) -> impl Iterator<Item = (GroupName, Draft)> {
        self.0.into_iter()
    }

    /// Whether there is one of this group.
    pub(super) fn concern(&self, group: &GroupName) -> bool {
        self.0.contains_key(group)
    }

    /// The batch that the store has to keep before anything of the drafts is visible; empty if
    /// nothing changed.
    pub(super) fn batch(&self, me: NetId) -> Batch {
        let mut batch = Batch { durable: true, ..Batch::default() };
        for (group, draft) in &self.0 {
            let own = draft.replica.own_record().filter(|_| draft.changed).into_iter();
            let records = own.chain(draft.other_records());
            batch.records.extend(records.map(|record| (group.clone(), record.clone())));
            if draft.former_record.is_some() {
                batch.me = Some(me);
            }
        }
        batch
    }

    /// The draft of a group; created from the committed replica if there is none yet.
    fn draft(&mut self, cx: &Context, group: &GroupName) -> &mut Draft {
        self.0.entry(group.clone()).or_insert_with(|| {
            let replica = cx.groups.set.group(group).cloned().unwrap_or_else(|| {
                let fresh = Replica::new(cx.me(), group.clone());
                match cx.config.default_port {
                    Some(port) => fresh.with_default_port(port),
                    None => fresh,
                }
            });
            let previous = replica.own_record().cloned();
            let (answers, forgotten) = (Vec::new(), Vec::new());
            Draft {
                replica,
                previous,
                changed: false,
                own_evictions: Vec::new(),
                former_leave: None,
                former_record: None,
                answers,
                forgotten,
            }
        })
    }
    /// Applies a write, or answers it if it is refused.
    pub(super) fn write(&mut self, cx: &mut Context, write: Write) {
        let Write { tag, group, kind: what, wait } = write;
        let context = cx.write_context();
        let limits = cx.config.limits;
        let draft = self.draft(cx, &group);
        let undo = draft.replica.clone();
        let written = match &what {
            WriteKind::Join(ranges) => draft.replica.join(ranges, context),
            WriteKind::Leave => draft.replica.leave(context),
            WriteKind::Change(batch) => draft.replica.change(batch, context),
            WriteKind::Resume => draft.resume(context),
        };
        let records = draft.replica.state().records().len();
        let own_items = draft.replica.own_record().map_or(0, |own| own.item_counts().1);
        let (live, had) = (draft.replica.state().live_item_count(), undo.state().live_item_count());
        let full = |what, max, limit, remedy| Err(WriteError::LimitReached { what, max, limit, remedy });
        let result = match written {
            Err(error) => Err(WriteError::Change(error)),
            Ok(_) if undo.own_record().is_none() && records > limits.records => {
                full("records per group", limits.records, "records", "purge the records of forgotten members")
            }
            Ok(_) if own_items > limits.items => {
                full("items per member", limits.items, "items", "serve fewer, larger ranges")
            }
            Ok(_) if live > had && live > limits.group_items => {
                full("items per group", limits.group_items, "group_items", "split the group")
            }
            // A new group takes its slot now, so that two in one tick do not take the same. The
            // slot is released if the store fails.
            Ok(_) if draft.replica.is_member() && !cx.groups.host(cx.now, &group) => {
                full("hosted groups", limits.groups, "groups", "leave a group")
            }
            Ok(written) => Ok(written),
        };
        match result {
            Ok(written) => {
                if draft.previous.is_none()
                    && let Some(hosted) = cx.groups.hosted.get_mut(&group)
                {
                    hosted.joining = true;
                }
                draft.changed |= written.changed;
                draft.own_evictions.extend(written.eviction);
                draft.answers.push(PendingAnswer::new(tag, wait, written.changed, written.version));
            }
            Err(error) => {
                draft.replica = undo;
                cx.answer(tag, Some(group), Err(error));
            }
        }
    }

    /// Refutes what a peer reported of this node's own record.
    pub(super) fn refute(
        &mut self,
        cx: &mut Context,
        group: GroupName,
        observe: impl FnOnce(&mut Replica, WriteContext) -> OwnRecordOutcome,
    ) {
        let context = cx.write_context();
        let draft = self.draft(cx, &group);
        let outcome = observe(&mut draft.replica, context);
        match outcome {
            OwnRecordOutcome::Refuted(_) => {
                draft.changed = true;
                cx.count(NodeCounter::Refutations);
            }
            OwnRecordOutcome::Reset { eviction, .. } => {
                draft.changed = true;
                draft.own_evictions.push(eviction);
            }
            OwnRecordOutcome::Conflict => {
                let until = draft.replica.conflict().paused_until().unwrap_or(context.millis);
                let pause_millis = until.saturating_sub(context.millis);
                cx.count(NodeCounter::IdentityConflicts);
                let shown_by = cx.groups.hosted.get(&group).and_then(|hosted| hosted.conflict_source);
                cx.emit(NodeEvent::IdentityConflict { group, pause_millis, reported_by: shown_by });
            }
            OwnRecordOutcome::Nothing | OwnRecordOutcome::Older | OwnRecordOutcome::AlreadyEvicted(_) => {}
        }
    }

    /// Our former address leaves, and this one takes over its items, in one batch of the store.
    pub(super) fn readdress(&mut self, cx: &mut Context, group: GroupName, former: Record) {
        let context = cx.write_context();
        // After a failure of the store, a node may have written under the old address meanwhile.
        let known = cx.groups.record(&group, former.member()).unwrap_or(&former).clone();
        let state = gm_data::GroupState::from_records(group.clone(), [known]);
        let mut old = Replica::restore(former.member(), state);
        let left = old.leave(context);
        let batch: Vec<gm_data::Change> = former.items().map(|item| change_of(&item)).collect();
        let draft = self.draft(cx, &group);
        draft.own_evictions.extend(left.as_ref().ok().and_then(|left| left.eviction));
        draft.former_leave = old.own_record().filter(|_| left.is_ok()).cloned();
        draft.former_record = Some(former);
        if let Ok(written) = draft.replica.change(&batch, context) {
            draft.changed |= written.changed;
            draft.own_evictions.extend(written.eviction);
        }
        cx.count(NodeCounter::AddressTakeovers);
    }

    /// Marks a member as forgotten.
    pub(super) fn forget(
        &mut self,
        cx: &mut Context,
        group: GroupName,
        member: NetId,
        (tag, wait): (u64, Wait),
    ) {
        if cx.groups.replica(&group).is_none() {
            let error = WriteError::UnknownGroup { group: group.clone() };
            return cx.answer(tag, Some(group), Err(error));
        }
        let draft = self.draft(cx, &group);
        match draft.replica.forget(member) {
            Ok(version) => {
                draft.forgotten.push((member, PendingAnswer::new(tag, wait, true, version)));
            }
            Err(error) => cx.answer(tag, Some(group), Err(error.into())),
        }
    }
}

/// The change that recreates an item.
fn change_of(item: &gm_data::Item) -> gm_data::Change {
    use gm_data::{Change, Op};
    match item.op() {
        Op::Add => Change::Serve { range: item.range(), port: Some(item.port()), priority: item.priority() },
        Op::Get | Op::Rmv => Change::Interest(item.range()),
    }
}
