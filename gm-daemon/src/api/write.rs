//! Requests that write, and their results.

use std::fmt;
use std::str::FromStr;

use gm_data::Change;
use serde::{Deserialize, Serialize};

/// Condition for the answer to a write: acknowledgements by other members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct WaitOptions {
    /// Number of members.
    pub wait: WaitCount,
    /// Whether only members count that have the write on disk.
    pub disk: bool,
    /// Maximum time to wait, in milliseconds.
    pub timeout: u64,
}

impl Default for WaitOptions {
    fn default() -> WaitOptions {
        WaitOptions { wait: WaitCount::None, disk: false, timeout: 5_000 }
    }
}

/// Number of members that a write waits for: in JSON `"none"`, `"one"`, `"all"` or a number as
/// text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum WaitCount {
    /// No member.
    None,
    /// A number of members of the group, whichever acknowledge first.
    Members(u64),
    /// Every member whose ranges overlap the change, and at least one member.
    All,
}

impl FromStr for WaitCount {
    type Err = String;

    fn from_str(text: &str) -> Result<WaitCount, String> {
        let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
        match text {
            "none" => Ok(WaitCount::None),
            "one" => Ok(WaitCount::Members(1)),
            "all" => Ok(WaitCount::All),
            _ => text
                .parse()
                .ok()
                .filter(|_| is_number)
                .map(WaitCount::Members)
                .ok_or_else(|| format!("the wait `{text}` is not none, one, all or a number of members")),
        }
    }
}

impl TryFrom<String> for WaitCount {
    type Error = String;

    fn try_from(text: String) -> Result<WaitCount, String> {
        text.parse()
    }
}

impl fmt::Display for WaitCount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            WaitCount::None => f.write_str("none"),
            WaitCount::Members(1) => f.write_str("one"),
            WaitCount::Members(number) => number.fmt(f),
            WaitCount::All => f.write_str("all"),
        }
    }
}

impl From<WaitCount> for String {
    fn from(count: WaitCount) -> String {
        count.to_string()
    }
}

/// Request to join a group.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct JoinRequest {
    /// Ranges of interest, `[start, end]`; an empty list means the whole key space.
    pub ranges: Vec<[u32; 2]>,
    /// Acknowledgements to wait for.
    pub wait: WaitOptions,
}

/// Request to leave a group, or to resume writing in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LeaveRequest {
    /// Acknowledgements to wait for.
    pub wait: WaitOptions,
}

/// Request to apply changes in one write: other nodes see all of them or none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChangeRequest {
    /// The changes, in order. The file of `gm-node change` is a JSON list of them.
    pub changes: Vec<Change>,
    /// Acknowledgements to wait for.
    pub wait: WaitOptions,
}

/// Request to forget a member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ForgetRequest {
    /// The member's NetId, `IP:PORT`.
    pub node: String,
    /// The group; without it, all groups that this node hosts.
    #[serde(default)]
    pub group: Option<String>,
    /// Acknowledgements to wait for.
    #[serde(default)]
    pub wait: WaitOptions,
}

/// Request to drop the records of a group's forgotten members, on all nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PurgeRequest {
    /// Whether to drop also the records of members that this node has not heard from since its
    /// start.
    pub unheard: bool,
}

/// Result of a purge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PurgeResult {
    /// The group.
    pub group: String,
    /// Number of records that this node dropped. It sends their evictions to the other nodes.
    pub records: usize,
}

/// Result of a write in one group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WriteResult {
    /// The group.
    pub group: String,
    /// Whether anything changed; `false` if the record had the requested content already.
    pub changed: bool,
    /// The version of this node's record, `INCARNATION.CLOCK`.
    pub version: String,
    /// The fingerprint of the group's state that this write produced, for `gm-node wait`.
    pub fingerprint: String,
    /// Result of the wait.
    pub wait: WaitResult,
    /// Number of other known members of the group. Of these, `acknowledged + refused + unreachable
    /// + unknown` members were asked.
    pub members: u64,
    /// Members that acknowledged the write.
    pub acknowledged: u64,
    /// Members that received the write and do not count: they do not host the group, or cannot
    /// store it on disk.
    pub refused: u64,
    /// Members that could not be reached.
    pub unreachable: u64,
    /// Members that were asked and did not answer.
    pub unknown: u64,
    /// Some of the unreachable members.
    pub unreachable_nodes: Vec<String>,
    /// Some of the members that did not answer.
    pub unknown_nodes: Vec<String>,
}

/// Result of the wait of a write. The write stands in every case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitResult {
    /// The requested number of members acknowledged.
    Satisfied,
    /// Fewer members acknowledged than requested, and no other member is left that could.
    Settled,
    /// Fewer members acknowledged than requested within the time.
    TimedOut,
    /// The daemon shut down and ended the wait.
    Ended,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_read_as_they_are_written() {
        for text in ["none", "one", "all", "0", "3"] {
            assert_eq!(text.parse::<WaitCount>().unwrap().to_string(), text);
        }
        assert!(["", "some", "-1", "+1", "ALL"].iter().all(|text| text.parse::<WaitCount>().is_err()));
        let read: WaitOptions = serde_json::from_str(r#"{"wait":"2"}"#).unwrap();
        assert_eq!(
            (read.wait, serde_json::to_string(&read.wait).unwrap()),
            (WaitCount::Members(2), "\"2\"".into())
        );
    }
}
