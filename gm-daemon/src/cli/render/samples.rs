//! Sample answers for the tests of the text output.

use gm_daemon::api::{
    DaemonStatus, GroupInfo, IncompleteInfo, ItemInfo, ItemOp, SeedCondition, SeedInfo, SyncInfo, SyncState,
    UnauthenticatedInfo, WaitResult, WriteResult,
};

pub(crate) fn sync() -> SyncInfo {
    SyncInfo {
        state: SyncState::Equal,
        verified: true,
        with: Some("10.0.0.2:29999".into()),
        seconds: Some(3),
    }
}

pub(crate) fn hosted_group() -> GroupInfo {
    GroupInfo {
        name: "Customers".into(),
        hosted: true,
        contact: None,
        members: 4,
        items: 7,
        fingerprint: "0123456789abcdef0123456789abcdef".into(),
        member: true,
        in_sync: true,
        sync: Some(sync()),
        leaving: false,
        records: 5,
        forgotten: 1,
        conflict: None,
        conflict_reported_by: None,
    }
}

pub(crate) fn contact_group() -> GroupInfo {
    GroupInfo {
        name: "Orders".into(),
        hosted: false,
        contact: Some("10.0.0.9:29999".into()),
        members: 0,
        items: 0,
        fingerprint: "0".repeat(32),
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

pub(crate) fn status() -> DaemonStatus {
    DaemonStatus {
        node: "10.0.0.1:29999".into(),
        cluster: "production".into(),
        version: "0.1.0".into(),
        uptime: 7_265,
        data_dir: Some("/var/lib/gm".into()),
        storage: None,
        sealed: true,
        key: Some("0x3f".into()),
        other_keys: Vec::new(),
        multicast: "works".into(),
        peers: 3,
        near: 2,
        alive: 3,
        seeds: vec![SeedInfo {
            seed: "a.example:29999".into(),
            state: SeedCondition::Reached,
            nodes: vec!["10.0.0.2:29999".into()],
            problem: None,
        }],
        unauthenticated: UnauthenticatedInfo { max_bytes: 263_168, ..UnauthenticatedInfo::default() },
        incomplete: IncompleteInfo { max_bytes: 64 << 20, ..IncompleteInfo::default() },
        address_conflict: false,
        groups: vec![hosted_group()],
        known_groups: 1,
        warnings: Vec::new(),
    }
}

pub(crate) fn item(node: &str, op: ItemOp, start: u32, end: u32, port: u16, priority: u16) -> ItemInfo {
    ItemInfo { node: node.into(), op, start, end, port, priority }
}

pub(crate) fn done() -> WriteResult {
    WriteResult {
        group: "Customers".into(),
        changed: true,
        version: "3.7".into(),
        fingerprint: "0123456789abcdef0123456789abcdef".into(),
        wait: WaitResult::Satisfied,
        members: 3,
        acknowledged: 0,
        refused: 0,
        unreachable: 0,
        unknown: 0,
        unreachable_nodes: Vec::new(),
        unknown_nodes: Vec::new(),
    }
}
