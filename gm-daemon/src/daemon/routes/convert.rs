//! Converts groups, members and results of the node into the shapes of `gm_daemon::api`.

use gm_clock::NetId;
use gm_daemon::api;
use gm_data::{GroupEvent, GroupName, Item, Op, Owner, Version, View};
use gm_node::{CommittedWrite, Freshness, GroupStatus, WaitOutcome};

pub(super) fn version(version: Version) -> String {
    format!("{}.{}", version.incarnation, version.clock)
}

pub(super) fn fingerprint(fingerprint: u128) -> String {
    format!("{fingerprint:032x}")
}

pub(super) fn sync(freshness: &Freshness) -> api::SyncInfo {
    let (state, with, since) = match freshness {
        Freshness::SingleNode => (api::SyncState::Single, None, None),
        Freshness::InSync { with, ago } => (api::SyncState::Equal, Some(with), Some(ago)),
        Freshness::Differs { since } => (api::SyncState::Differs, None, Some(since)),
        Freshness::SoleMember { asked, ago } => (api::SyncState::Sole, Some(asked), Some(ago)),
        Freshness::Unverified => (api::SyncState::Unverified, None, None),
    };
    api::SyncInfo {
        state,
        verified: freshness.is_verified(),
        with: with.map(NetId::to_string),
        seconds: since.map(std::time::Duration::as_secs),
    }
}

pub(super) fn hosted_group(status: &GroupStatus) -> api::GroupInfo {
    api::GroupInfo {
        name: status.name.to_string(),
        hosted: true,
        contact: None,
        members: status.members,
        items: status.items,
        fingerprint: fingerprint(status.fingerprint),
        member: status.is_member,
        in_sync: matches!(status.freshness, Freshness::InSync { .. }),
        sync: Some(sync(&status.freshness)),
        leaving: status.is_leaving,
        records: status.records,
        forgotten: status.former,
        conflict: status.conflict.map(|conflict| conflict.pause_millis),
        conflict_reported_by: status
            .conflict
            .and_then(|conflict| conflict.reported_by)
            .map(|node| node.to_string()),
    }
}

pub(super) fn contact_group(name: &GroupName, contact: NetId) -> api::GroupInfo {
    api::GroupInfo {
        name: name.to_string(),
        hosted: false,
        contact: Some(contact.to_string()),
        members: 0,
        items: 0,
        fingerprint: fingerprint(0),
        member: false,
        in_sync: false,
        sync: None,
        leaving: false,
        records: 0,
        forgotten: 0,
        conflict: None,
        conflict_reported_by: None,
    }
}

pub(super) fn item(item: &Item) -> api::ItemInfo {
    api::ItemInfo {
        node: item.member().to_string(),
        op: match item.op() {
            Op::Add => api::ItemOp::Add,
            Op::Get => api::ItemOp::Get,
            Op::Rmv => api::ItemOp::Rmv,
        },
        start: item.range().start(),
        end: item.range().end(),
        port: item.port(),
        priority: item.priority(),
    }
}

pub(super) fn members(view: &View) -> impl Iterator<Item = api::MemberInfo> + '_ {
    let shares: std::collections::BTreeMap<NetId, u64> =
        view.member_coverage().into_iter().map(|share| (share.member, share.keys)).collect();
    let member = move |member: NetId| api::MemberInfo {
        node: member.to_string(),
        serves: view.item_count(member, Op::Add),
        interests: view.item_count(member, Op::Get),
        keys: shares.get(&member).copied().unwrap_or(0),
        version: view.record(member).map(|record| version(record.version())).unwrap_or_default(),
    };
    view.members().map(member)
}

pub(super) fn owner(owner: &Owner) -> api::OwnerInfo {
    api::OwnerInfo {
        node: owner.member.to_string(),
        service: std::net::SocketAddr::new(owner.member.ip(), owner.port).to_string(),
        priority: owner.priority,
        start: owner.range.start(),
        end: owner.range.end(),
    }
}

/// Segments of the key space; adjacent ones with the same owners are joined.
pub(super) fn coverage(view: &View) -> impl Iterator<Item = api::CoverageSegment> + '_ {
    let mut segments = view.coverage().map(|segment| {
        let mut owners: Vec<NetId> = segment.owners.iter().map(|owner| owner.member).collect();
        owners.sort_unstable();
        owners.dedup();
        (segment.range, owners)
    });
    let mut next = segments.next();
    std::iter::from_fn(move || {
        let (first, owners) = next.take()?;
        let mut last = first;
        next = segments.next();
        while let Some((range, _)) = next.take_if(|(_, same)| *same == owners) {
            last = range;
            next = segments.next();
        }
        let owners = owners.iter().map(NetId::to_string).collect();
        Some(api::CoverageSegment { start: first.start(), end: last.end(), owners })
    })
}

pub(super) fn change(event: &GroupEvent) -> api::GroupChange {
    match event {
        GroupEvent::Joined(node) => api::GroupChange::Joined { node: node.to_string() },
        GroupEvent::RangeAdded(added) => api::GroupChange::Added { item: item(added) },
        GroupEvent::RangeChanged { from, to } => api::GroupChange::Changed { from: item(from), to: item(to) },
        GroupEvent::RangeRemoved(removed) => api::GroupChange::Removed { item: item(removed) },
        GroupEvent::Left(node) => api::GroupChange::Left { node: node.to_string() },
    }
}

pub(super) fn write_result(group: &GroupName, written: &CommittedWrite) -> api::WriteResult {
    let waited = &written.wait;
    api::WriteResult {
        group: group.to_string(),
        changed: written.changed,
        version: version(written.version),
        fingerprint: fingerprint(written.fingerprint),
        wait: match waited.outcome {
            WaitOutcome::Satisfied => api::WaitResult::Satisfied,
            WaitOutcome::Settled => api::WaitResult::Settled,
            WaitOutcome::TimedOut => api::WaitResult::TimedOut,
        },
        members: waited.members,
        acknowledged: waited.acknowledged,
        refused: waited.refused,
        unreachable: waited.unreachable,
        unknown: waited.unanswered,
        unreachable_nodes: waited.unreachable_members.iter().map(NetId::to_string).collect(),
        unknown_nodes: waited.unanswered_members.iter().map(NetId::to_string).collect(),
    }
}
