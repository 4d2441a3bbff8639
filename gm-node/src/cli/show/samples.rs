//! Fixed data for the snapshots of what people see.

use gm_node::api::{Arriving, Done, Group, Item, Seed, Status, Sync, Unproven};

pub(crate) fn sync() -> Sync {
    Sync { state: "equal".into(), verified: true, with: Some("10.0.0.2:29999".into()), seconds: Some(3) }
}

pub(crate) fn held() -> Group {
    Group {
        name: "Customers".into(),
        held: true,
        contact: None,
        members: 4,
        items: 7,
        fingerprint: "0123456789abcdef0123456789abcdef".into(),
        member: true,
        agreed: true,
        sync: Some(sync()),
        leaving: false,
        records: 5,
        gone: 1,
        conflict: None,
        shown_by: None,
    }
}

pub(crate) fn known() -> Group {
    Group {
        name: "Orders".into(),
        held: false,
        contact: Some("10.0.0.9:29999".into()),
        members: 0,
        items: 0,
        fingerprint: "0".repeat(32),
        member: false,
        agreed: false,
        sync: None,
        leaving: false,
        records: 0,
        gone: 0,
        conflict: None,
        shown_by: None,
    }
}

pub(crate) fn status() -> Status {
    Status {
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
        seeds: vec![Seed {
            seed: "a.example:29999".into(),
            state: "reached".into(),
            nodes: vec!["10.0.0.2:29999".into()],
            trouble: None,
        }],
        unproven: Unproven { most_bytes: 263_168, ..Unproven::default() },
        arriving: Arriving { most_bytes: 64 << 20, ..Arriving::default() },
        clash: false,
        groups: vec![held()],
        known: 1,
        warnings: Vec::new(),
    }
}

pub(crate) fn item(node: &str, op: &str, start: u32, end: u32, port: u16, priority: u16) -> Item {
    Item { node: node.into(), op: op.into(), start, end, port, priority }
}

pub(crate) fn done() -> Done {
    Done {
        group: "Customers".into(),
        changed: true,
        version: "3.7".into(),
        fingerprint: "0123456789abcdef0123456789abcdef".into(),
        wait: "satisfied".into(),
        members: 3,
        delivered: 0,
        refused: 0,
        unreachable: 0,
        unknown: 0,
        names: Vec::new(),
        silent: Vec::new(),
    }
}
