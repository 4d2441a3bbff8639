//! What is written through a daemon, and what comes of it.

use serde::{Deserialize, Serialize};

/// How many other members have to acknowledge a write before it is answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaitOptions {
    /// `none`, `one`, `all` (all that it concerns, and at least one), or a number.
    pub wait: String,
    /// Whether they have to have it on disk.
    pub disk: bool,
    /// The maximum time to wait, in milliseconds.
    pub timeout: u64,
}

impl Default for WaitOptions {
    fn default() -> WaitOptions {
        WaitOptions { wait: "none".to_owned(), disk: false, timeout: 5_000 }
    }
}

/// Joins a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JoinRequest {
    /// The ranges of interest, `[start, end]`; none for the whole key space.
    pub ranges: Vec<[u32; 2]>,
    /// What is waited for.
    pub wait: WaitOptions,
}

/// Leaves a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaveRequest {
    /// What is waited for.
    pub wait: WaitOptions,
}

/// Changes, all of them or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChangeRequest {
    /// The changes, in order.
    pub changes: Vec<RangeChange>,
    /// What is waited for.
    pub wait: WaitOptions,
}

/// One change. A batch file of the command line is a JSON list of these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum RangeChange {
    /// Serve the range.
    Serve {
        /// The first key.
        start: u32,
        /// The last key.
        end: u32,
        /// The port of the service.
        port: u16,
        /// 1 to 65535; 1 if none is given.
        #[serde(default)]
        priority: Option<u16>,
    },
    /// Serve it no longer.
    Unserve {
        /// The first key.
        start: u32,
        /// The last key.
        end: u32,
    },
    /// Be interested in it.
    Interest {
        /// The first key.
        start: u32,
        /// The last key.
        end: u32,
    },
    /// Give it another priority.
    Priority {
        /// The first key.
        start: u32,
        /// The last key.
        end: u32,
        /// `N`, `+N` or `-N`.
        priority: String,
    },
}

/// Forgets a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// Its NetId.
    pub node: String,
    /// In which group; in all that are held without one.
    #[serde(default)]
    pub group: Option<String>,
    /// What is waited for.
    #[serde(default)]
    pub wait: WaitOptions,
}

/// Drops the records of forgotten members of a group, on all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PurgeRequest {
    /// Those of members that this node has not heard since its start as well.
    pub unheard: bool,
}

/// What was dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeResult {
    /// The group.
    pub group: String,
    /// Records that were dropped here, and that other nodes are told to drop.
    pub records: usize,
}

/// What came of a write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteResult {
    /// The group.
    pub group: String,
    /// Whether anything was written; if not, it stood there already.
    pub changed: bool,
    /// The version of our record, `INCARNATION.CLOCK`.
    pub version: String,
    /// The group's fingerprint now, for `wait`; empty if the daemon ended before it could say.
    pub fingerprint: String,
    /// `satisfied`, `settled` (fewer acknowledged it than were waited for, and nobody is left who
    /// might), `timed-out`, or `ended` (the daemon ends, and the wait with it).
    pub wait: String,
    /// Other members of the group that are known. `acknowledged + refused + unreachable + unknown`
    /// of them were asked.
    pub members: u64,
    /// Members that acknowledged it.
    pub acknowledged: u64,
    /// Members that got it and answered that they do not count: they do not hold the group, or
    /// cannot keep it on disk.
    pub refused: u64,
    /// Members that could not be reached.
    pub unreachable: u64,
    /// Members that were asked and not heard from.
    pub unknown: u64,
    /// Some of those that could not be reached.
    pub unreachable_nodes: Vec<String>,
    /// Some of those that were not heard from.
    pub unknown_nodes: Vec<String>,
}
