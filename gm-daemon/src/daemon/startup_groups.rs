//! Applies the configured groups and ranges at every start, and withdraws those that an earlier
//! start applied and that are no longer configured. Ranges that are present already are not written
//! again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gm_data::{Change, ChangeError, GroupName, Item, KeyRange, Op};
use gm_node::{Node, NodeError};
use gm_node::{Wait, WriteError, WriteKind};
use tokio::task::spawn_blocking;

use super::config::{JoinSpec, ServeSpec};
use super::configured_ranges::{
    ConfiguredFile, ConfiguredRange, RangeUse, configured_ranges, plan_withdrawal,
};

/// First pause before a failed write is retried; it doubles each time up to [`MAX_RETRY`].
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Maximum pause between retries.
const MAX_RETRY: Duration = Duration::from_secs(60);
/// Time limit for the node's record to move here from another address.
const MOVE_TIMEOUT: Duration = Duration::from_secs(10);
/// Interval of checks for that.
const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// The configuration that a start applies.
#[derive(Clone, Debug)]
pub(super) struct StartupGroups {
    pub(super) joins: Vec<JoinSpec>,
    pub(super) serves: Vec<ServeSpec>,
    /// File that remembers them; `None` without a data directory.
    pub(super) file: Option<ConfiguredFile>,
    /// Whether ranges that are no longer configured stay.
    pub(super) keep: bool,
    /// Groups in which the node's record moves to this address from another one first.
    pub(super) moving_groups: BTreeSet<GroupName>,
}

/// Applies the configuration, and only then withdraws what is no longer configured, so that no key
/// loses a server in between.
pub(super) async fn apply(node: Node, configured: StartupGroups) {
    let StartupGroups { joins, serves, file: memory, keep, moving_groups: moving } = configured;
    let Some(memory) = memory else { return write_configured(&node, joins, serves).await };
    let wanted = configured_ranges(&joins, &serves);
    let read = memory.clone();
    // The read runs on a thread of its own, because it may hang.
    let Ok(remembered) = spawn_blocking(move || read.read()).await else { return };
    // Remember new ranges before they are written: after a crash they must not look like a
    // command's.
    let mut both = [&remembered[..], &wanted].concat();
    both.sort();
    both.dedup();
    save(&memory, &remembered, &both).await;
    write_configured(&node, joins, serves).await;
    if keep {
        let remaining = both.len() - wanted.len();
        if remaining > 0 {
            tracing::info!(
                "{remaining} ranges that are no longer configured remain, because of `keep-configured`"
            );
        }
        return;
    }
    let mut still = wanted.clone();
    for group in remembered.iter().map(|entry| &entry.group).collect::<BTreeSet<_>>() {
        match withdraw(&node, group, &remembered, &wanted, moving.contains(group)).await {
            Ok(()) => {}
            Err(NodeError::Stopped | NodeError::Unknown) => return,
            Err(NodeError::Refused(error)) => {
                tracing::error!(%group, "ranges that are no longer configured cannot be withdrawn, and the next start tries again: {error}");
                still.extend(remembered.iter().filter(|entry| entry.group == *group).cloned());
            }
        }
    }
    still.sort();
    still.dedup();
    save(&memory, &both, &still).await;
}

async fn save(memory: &ConfiguredFile, before: &[ConfiguredRange], entries: &[ConfiguredRange]) {
    if before == entries {
        return;
    }
    let (memory, entries) = (memory.clone(), entries.to_vec());
    if let Ok(Err(error)) = spawn_blocking(move || memory.write(&entries)).await {
        tracing::warn!(
            "the configured ranges cannot be remembered, so a later start cannot withdraw them: {error}"
        );
    }
}

/// Withdraws from a group the ranges that are no longer configured, in one write.
async fn withdraw(
    node: &Node,
    group: &GroupName,
    remembered: &[ConfiguredRange],
    wanted: &[ConfiguredRange],
    moves: bool,
) -> Result<(), NodeError> {
    let own = own_ranges(node, group, moves).await?;
    let plan = plan_withdrawal(group, remembered, wanted, &own);
    for (range, range_use) in &plan.changed {
        let current = match range_use {
            RangeUse::Serve { port, priority } => format!("served at port {port} with priority {priority}"),
            RangeUse::Interest => "of interest".to_owned(),
        };
        tracing::warn!(%group, %range, "this range is no longer configured, but a command has changed it since, so it stays {current}. Withdraw it with `unserve`");
    }
    if plan.leaves {
        node.leave(group, Wait::NONE).await?;
        tracing::info!(%group, "left: the group is no longer configured, and this node had no other ranges in it");
    } else if !plan.withdrawn.is_empty() {
        let rejoins = plan.rejoins.iter().copied().map(Change::Interest);
        let changes = plan.withdrawn.iter().copied().map(Change::Unserve).chain(rejoins).collect();
        node.change(group, changes, Wait::NONE).await?;
        let ranges: Vec<String> = plan.withdrawn.iter().map(ToString::to_string).collect();
        tracing::info!(%group, ranges = ranges.join(", "), "withdrawn: no longer configured");
    }
    Ok(())
}

/// The node's own ranges in a group. If its record is moving here from another address, this waits
/// for it.
async fn own_ranges(
    node: &Node,
    group: &GroupName,
    moves: bool,
) -> Result<BTreeMap<KeyRange, RangeUse>, NodeError> {
    let until = Instant::now() + MOVE_TIMEOUT;
    loop {
        let view = node.view(group).await?;
        let record =
            view.as_ref().and_then(|view| view.record(node.my_id())).filter(|record| record.is_member());
        if let Some(record) = record {
            let range_use = |item: Item| match item.op() {
                Op::Add => {
                    Some((item.range(), RangeUse::Serve { port: item.port(), priority: item.priority() }))
                }
                Op::Get => Some((item.range(), RangeUse::Interest)),
                Op::Rmv => None,
            };
            return Ok(record.items().filter_map(range_use).collect());
        }
        if !moves || Instant::now() >= until {
            return Ok(BTreeMap::new());
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Applies the configured joins and ranges, one after the other.
async fn write_configured(node: &Node, joins: Vec<JoinSpec>, serves: Vec<ServeSpec>) {
    let joins = joins.into_iter().map(|JoinSpec { group, ranges }| (group, WriteKind::Join(ranges)));
    let serves = serves.into_iter().map(|ServeSpec { group, range, port, priority }| {
        (group, WriteKind::Change(vec![Change::Serve { range, port: Some(port), priority }]))
    });
    for (group, what) in joins.chain(serves) {
        let mut pause = FIRST_RETRY;
        loop {
            let done = match &what {
                WriteKind::Change(changes) => node.change(&group, changes.clone(), Wait::NONE).await,
                WriteKind::Join(ranges) => node.join(&group, ranges.clone(), Wait::NONE).await,
                WriteKind::Leave | WriteKind::Resume => return,
            };
            match done {
                Ok(written) => {
                    tracing::debug!(%group, changed = written.changed, "`join` or `serve` is applied");
                    break;
                }
                Err(NodeError::Stopped | NodeError::Unknown) => return,
                Err(NodeError::Refused(error)) if is_temporary(&error) => {
                    let seconds = pause.as_secs();
                    tracing::error!(%group, "`join` or `serve` is refused; next attempt in {seconds} s: {error}");
                }
                Err(NodeError::Refused(error)) => {
                    tracing::error!(%group, "`join` or `serve` is refused: {error}");
                    break;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(MAX_RETRY);
        }
    }
}

/// Whether a retry may succeed.
const fn is_temporary(error: &WriteError) -> bool {
    matches!(
        error,
        WriteError::Store(_)
            | WriteError::LimitReached { .. }
            | WriteError::Change(ChangeError::IdentityConflict { .. })
    )
}
