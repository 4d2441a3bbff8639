//! Groups that are joined and ranges that are served at every start, and those that an earlier start wrote and the configuration no longer says. What
//! stands there already is not written again. Knows nothing of who says so.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use gm_data::{Change, ChangeError, GroupName, Item, KeyRange, Op};
use gm_node::service::{Service, ServiceError};
use gm_node::{Wait, What, WriteError};

use super::config::{Joining, Serving};
use super::configured::{Entry, Memory, Says, entries, plan};

/// What failed is tried again after this, doubled each time...
const FIRST: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST: Duration = Duration::from_secs(60);
/// How long our record may take to move here from another address, and how often it is looked for.
const MOVING: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// What a start applies.
#[derive(Clone, Debug)]
pub(super) struct Configured {
    pub(super) joins: Vec<Joining>,
    pub(super) serves: Vec<Serving>,
    /// Where it is remembered; without a data directory nowhere.
    pub(super) memory: Option<Memory>,
    /// Whether what is no longer said stays.
    pub(super) keep: bool,
    /// Groups in which our record moves here from another address first.
    pub(super) moving: BTreeSet<GroupName>,
}

/// Applies what the configuration says, and then withdraws what it no longer says: so no key is served by fewer meanwhile.
pub(super) async fn apply(service: Service, configured: Configured) {
    let Configured { joins, serves, memory, keep, moving } = configured;
    let Some(memory) = memory else { return say(&service, joins, serves).await };
    let wanted = entries(&joins, &serves);
    let remembered = memory.read();
    // Also what is only about to be written: a crash must not make it nobody's.
    let mut both = [&remembered[..], &wanted].concat();
    both.sort();
    both.dedup();
    remember(&memory, &remembered, &both);
    say(&service, joins, serves).await;
    if keep {
        let kept = both.len() - wanted.len();
        if kept > 0 {
            tracing::info!(
                "{kept} ranges that the configuration no longer says stay, as `keep-configured` says"
            );
        }
        return;
    }
    let mut still = wanted.clone();
    for group in remembered.iter().map(|entry| &entry.group).collect::<BTreeSet<_>>() {
        match withdraw(&service, group, &remembered, &wanted, moving.contains(group)).await {
            Ok(()) => {}
            Err(ServiceError::Stopped | ServiceError::Unknown) => return,
            Err(ServiceError::Refused(error)) => {
                tracing::error!(%group, "what the configuration no longer says is not withdrawn, and tried again at the next start: {error}");
                still.extend(remembered.iter().filter(|entry| entry.group == *group).cloned());
            }
        }
    }
    still.sort();
    still.dedup();
    remember(&memory, &both, &still);
}

fn remember(memory: &Memory, before: &[Entry], entries: &[Entry]) {
    if before != entries
        && let Err(error) = memory.write(entries)
    {
        tracing::warn!(
            "what the configuration says is not remembered, so that a later start does not withdraw it: {error}"
        );
    }
}

/// Withdraws from a group what the configuration no longer says, in one write.
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
        tracing::warn!(%group, %range, "the configuration no longer says this range, and a command changed it since: it stays {stands}. `unserve` withdraws it");
    }
    if plan.leaves {
        service.leave(group, Wait::NONE).await?;
        tracing::info!(%group, "left: the configuration no longer names it, and nothing else of this node was in it");
    } else if !plan.withdrawn.is_empty() {
        let rejoins = plan.rejoins.iter().copied().map(Change::Interest);
        let changes = plan.withdrawn.iter().copied().map(Change::Unserve).chain(rejoins).collect();
        service.change(group, changes, Wait::NONE).await?;
        let ranges: Vec<String> = plan.withdrawn.iter().map(ToString::to_string).collect();
        tracing::info!(%group, ranges = ranges.join(", "), "withdrawn: the configuration no longer says it");
    }
    Ok(())
}

/// What we say in a group, range by range. If our record is on its way from another address, it is waited for.
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
    let joins = joins.into_iter().map(|Joining { group, ranges }| (group, What::Join(ranges)));
    let serves = serves.into_iter().map(|Serving { group, range, port, priority }| {
        (group, What::Change(vec![Change::Serve { range, port: Some(port), priority }]))
    });
    for (group, what) in joins.chain(serves) {
        let mut pause = FIRST;
        loop {
            let done = match &what {
                What::Change(changes) => service.change(&group, changes.clone(), Wait::NONE).await,
                What::Join(ranges) => service.join(&group, ranges.clone(), Wait::NONE).await,
                What::Leave => return,
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
            | WriteError::Full { .. }
            | WriteError::Change(ChangeError::IdentityConflict { .. })
    )
}
