//! Applies the configured groups and ranges at every start, and withdraws those that an earlier start applied and that are no longer configured. What
//! stands already is not written again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gm_data::{Change, ChangeError, GroupName, Item, KeyRange, Op};
use gm_node::service::{Service, ServiceError};
use gm_node::{Wait, WriteError, WriteKind};
use tokio::task::spawn_blocking;

use super::config::{Joining, Serving};
use super::configured::{Entry, Memory, Says, entries, plan};

/// What failed is tried again after this, doubled each time...
const FIRST: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST: Duration = Duration::from_secs(60);
/// How long the node's record may take to move here from another address, and the interval of checks.
const MOVING: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// What a start applies.
#[derive(Clone, Debug)]
pub(super) struct Configured {
    pub(super) joins: Vec<Joining>,
    pub(super) serves: Vec<Serving>,
    /// Where they are remembered; `None` without a data directory.
    pub(super) memory: Option<Memory>,
    /// Whether ranges that are no longer configured stay.
    pub(super) keep: bool,
    /// Groups in which the node's record moves to this address from another one first.
    pub(super) moving: BTreeSet<GroupName>,
}

/// Applies the configuration, and only then withdraws what is no longer configured, so that no key loses a server in between.
pub(super) async fn apply(service: Service, configured: Configured) {
    let Configured { joins, serves, memory, keep, moving } = configured;
    let Some(memory) = memory else { return say(&service, joins, serves).await };
    let wanted = entries(&joins, &serves);
    let read = memory.clone();
    // A task that is ended with the process waits for no file.
    let Ok(remembered) = spawn_blocking(move || read.read()).await else { return };
    // Remember new ranges before they are written: after a crash they must not look like a command's.
    let mut both = [&remembered[..], &wanted].concat();
    both.sort();
    both.dedup();
    remember(&memory, &remembered, &both).await;
    say(&service, joins, serves).await;
    if keep {
        let kept = both.len() - wanted.len();
        if kept > 0 {
            tracing::info!("{kept} ranges that are no longer configured stay, because of `keep-configured`");
        }
        return;
    }
    let mut still = wanted.clone();
    for group in remembered.iter().map(|entry| &entry.group).collect::<BTreeSet<_>>() {
        match withdraw(&service, group, &remembered, &wanted, moving.contains(group)).await {
            Ok(()) => {}
            Err(ServiceError::Stopped | ServiceError::Unknown) => return,
            Err(ServiceError::Refused(error)) => {
                tracing::error!(%group, "ranges that are no longer configured are not withdrawn, and the next start tries again: {error}");
                still.extend(remembered.iter().filter(|entry| entry.group == *group).cloned());
            }
        }
    }
    still.sort();
    still.dedup();
    remember(&memory, &both, &still).await;
}

async fn remember(memory: &Memory, before: &[Entry], entries: &[Entry]) {
    if before == entries {
        return;
    }
    let (memory, entries) = (memory.clone(), entries.to_vec());
    if let Ok(Err(error)) = spawn_blocking(move || memory.write(&entries)).await {
        tracing::warn!(
            "the configured ranges are not remembered, so a later start cannot withdraw them: {error}"
        );
    }
}

/// Withdraws from a group the ranges that are no longer configured, in one write.
async fn withdraw(
    service: &Service,
    group: &GroupName,
    remembered: &[Entry],
    wanted: &[Entry],
    moves: bool,
) -> Result<(), ServiceError> {
    let own = own(service, group, moves).await?;
    let plan = plan(group, remembered, wanted, &own);
    for (range, says) in &plan.changed {
        let stands = match says {
            Says::Serve { port, priority } => format!("served at port {port} with priority {priority}"),
            Says::Interest => "of interest".to_owned(),
        };
        tracing::warn!(%group, %range, "this range is no longer configured, but a command has changed it since, so it stays {stands}. Withdraw it with `unserve`");
    }
    if plan.leaves {
        service.leave(group, Wait::NONE).await?;
        tracing::info!(%group, "left: the group is no longer configured, and nothing else of this node was in it");
    } else if !plan.withdrawn.is_empty() {
        let rejoins = plan.rejoins.iter().copied().map(Change::Interest);
        let changes = plan.withdrawn.iter().copied().map(Change::Unserve).chain(rejoins).collect();
        service.change(group, changes, Wait::NONE).await?;
        let ranges: Vec<String> = plan.withdrawn.iter().map(ToString::to_string).collect();
        tracing::info!(%group, ranges = ranges.join(", "), "withdrawn: no longer configured");
    }
    Ok(())
}

/// The node's own ranges in a group. If its record is moving here from another address, this waits for it.
async fn own(
    service: &Service,
    group: &GroupName,
    moves: bool,
) -> Result<BTreeMap<KeyRange, Says>, ServiceError> {
    let until = Instant::now() + MOVING;
    loop {
        let view = service.view(group).await?;
        let record =
            view.as_ref().and_then(|view| view.record(service.my_id())).filter(|record| record.is_member());
        if let Some(record) = record {
            let says = |item: Item| match item.op() {
                Op::Add => Some((item.range(), Says::Serve { port: item.port(), priority: item.priority() })),
                Op::Get => Some((item.range(), Says::Interest)),
                Op::Rmv => None,
            };
            return Ok(record.items().filter_map(says).collect());
        }
        if !moves || Instant::now() >= until {
            return Ok(BTreeMap::new());
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Joins and serves, one after the other.
async fn say(service: &Service, joins: Vec<Joining>, serves: Vec<Serving>) {
    let joins = joins.into_iter().map(|Joining { group, ranges }| (group, WriteKind::Join(ranges)));
    let serves = serves.into_iter().map(|Serving { group, range, port, priority }| {
        (group, WriteKind::Change(vec![Change::Serve { range, port: Some(port), priority }]))
    });
    for (group, what) in joins.chain(serves) {
        let mut pause = FIRST;
        loop {
            let done = match &what {
                WriteKind::Change(changes) => service.change(&group, changes.clone(), Wait::NONE).await,
                WriteKind::Join(ranges) => service.join(&group, ranges.clone(), Wait::NONE).await,
                WriteKind::Leave | WriteKind::Resume => return,
            };
            match done {
                Ok(written) => {
                    tracing::debug!(%group, changed = written.changed, "`join` or `serve` is applied");
                    break;
                }
                Err(ServiceError::Stopped | ServiceError::Unknown) => return,
                Err(ServiceError::Refused(error)) if may_pass(&error) => {
                    let seconds = pause.as_secs();
                    tracing::error!(%group, "`join` or `serve` is refused, and tried again in {seconds} s: {error}");
                }
                Err(ServiceError::Refused(error)) => {
                    tracing::error!(%group, "`join` or `serve` is refused: {error}");
                    break;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }
}

/// Whether it may be another time.
const fn may_pass(error: &WriteError) -> bool {
    matches!(
        error,
        WriteError::Store(_)
            | WriteError::LimitReached { .. }
            | WriteError::Change(ChangeError::IdentityConflict { .. })
    )
}
