//! Routes that write: each is one write of the node, answered when its wait ends. Giving the
//! request up does not undo it. An answer is always true: done, refused and nothing was written, or
//! not known.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use gm_clock::NetId;
use gm_data::{Change, DEFAULT_PRIORITY, GroupName, KeyRange};
use gm_node::handle::NodeError;
use gm_node::{AckCount, CommittedWrite, Wait, WaitOutcome, api};

use super::extract::{GroupPath, JsonBody, parse_group_name};
use super::{App, RouteError, convert};

type Answer = Result<Json<Vec<api::WriteResult>>, RouteError>;
type AppState = State<Arc<App>>;

fn parse_wait(wait: &api::WaitOptions) -> Result<Wait, RouteError> {
    let count = match wait.wait.as_str() {
        "none" => AckCount::None,
        "one" => AckCount::Some(1),
        "all" => AckCount::All,
        number => AckCount::Some(number.parse().map_err(|_| {
            RouteError::usage(format!("wait `{number}` is none of none, one, all, and no number"))
        })?),
    };
    Ok(Wait { count, on_disk: wait.disk, timeout: Duration::from_millis(wait.timeout) })
}

fn parse_range(start: u32, end: u32) -> Result<KeyRange, RouteError> {
    KeyRange::new(start, end).map_err(|error| RouteError::usage(error.to_string()))
}

fn parse_change(order: &api::RangeChange) -> Result<Change, RouteError> {
    Ok(match order {
        api::RangeChange::Serve { start, end, port, priority } => Change::Serve {
            range: parse_range(*start, *end)?,
            port: Some(*port),
            priority: priority.unwrap_or(DEFAULT_PRIORITY),
        },
        api::RangeChange::Unserve { start, end } => Change::Unserve(parse_range(*start, *end)?),
        api::RangeChange::Interest { start, end } => Change::Interest(parse_range(*start, *end)?),
        api::RangeChange::Priority { start, end, priority } => {
            parse_priority(parse_range(*start, *end)?, priority)?
        }
    })
}

fn parse_priority(range: KeyRange, text: &str) -> Result<Change, RouteError> {
    let number = |digits: &str| {
        let number =
            digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        number.ok_or_else(|| {
            RouteError::usage(format!("the priority `{text}` is not N, +N or -N with N up to 65535"))
        })
    };
    if let Some(by) = text.strip_prefix('+') {
        return Ok(Change::Raise { range, by: number(by)?, port: None });
    }
    if let Some(by) = text.strip_prefix('-') {
        return Ok(Change::Lower { range, by: number(by)? });
    }
    Ok(Change::Priority { range, priority: number(text)? })
}

/// The answer to a write that stands, whatever happens now.
async fn write_result(app: &App, group: &GroupName, written: &CommittedWrite) -> api::WriteResult {
    let mut done = match app.service.view(group).await {
        Ok(view) => convert::write_result(group, written, view.map_or(0, |view| view.fingerprint())),
        // The node has ended meanwhile: the fingerprint is not known.
        Err(_) => api::WriteResult { fingerprint: String::new(), ..convert::write_result(group, written, 0) },
    };
    if app.gate.is_closed() && written.wait.outcome == WaitOutcome::TimedOut {
        done.wait = "ended".to_owned();
    }
    done
}

/// `POST /v1/groups/{g}/join`.
pub(super) async fn join(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(asked): JsonBody<api::JoinRequest>,
) -> Answer {
    let api::JoinRequest { ranges, wait: for_whom } = asked;
    let ranges = ranges.into_iter().map(|[start, end]| parse_range(start, end)).collect::<Result<_, _>>()?;
    let written = app.service.join(&group, ranges, parse_wait(&for_whom)?).await?;
    Ok(Json(vec![write_result(&app, &group, &written).await]))
}

/// `POST /v1/groups/{g}/leave`.
pub(super) async fn leave(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(asked): JsonBody<api::LeaveRequest>,
) -> Answer {
    let api::LeaveRequest { wait: for_whom } = asked;
    let written = app.service.leave(&group, parse_wait(&for_whom)?).await?;
    Ok(Json(vec![write_result(&app, &group, &written).await]))
}

/// `POST /v1/groups/{g}/change`.
pub(super) async fn change(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(asked): JsonBody<api::ChangeRequest>,
) -> Answer {
    let api::ChangeRequest { changes, wait: for_whom } = asked;
    let changes = changes.iter().map(parse_change).collect::<Result<_, _>>()?;
    let written = app.service.change(&group, changes, parse_wait(&for_whom)?).await?;
    Ok(Json(vec![write_result(&app, &group, &written).await]))
}

/// `POST /v1/groups/{g}/resume`.
pub(super) async fn resume(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(asked): JsonBody<api::LeaveRequest>,
) -> Answer {
    let api::LeaveRequest { wait: for_whom } = asked;
    let written = app.service.resume(&group, parse_wait(&for_whom)?).await?;
    Ok(Json(vec![write_result(&app, &group, &written).await]))
}

/// `POST /v1/groups/{g}/purge`.
pub(super) async fn purge(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(asked): JsonBody<api::PurgeRequest>,
) -> Result<Json<api::PurgeResult>, RouteError> {
    let records = app.service.purge(&group, asked.unheard).await?;
    Ok(Json(api::PurgeResult { group: group.to_string(), records }))
}

/// `POST /v1/forget`. If any group refuses it, the refusal names the groups in which it is done.
pub(super) async fn forget(State(app): AppState, JsonBody(asked): JsonBody<api::ForgetRequest>) -> Answer {
    let api::ForgetRequest { node, group, wait: for_whom } = asked;
    let member: NetId = node
        .parse()
        .map_err(|error| RouteError::usage(format!("the node `{node}` is not IP:PORT: {error}")))?;
    let group = group.as_deref().map(parse_group_name).transpose()?;
    let results = match app.service.forget(member, group.as_ref(), parse_wait(&for_whom)?).await {
        Err(NodeError::Refused(error)) => return Err(RouteError::from_forget(&error, group.as_ref())),
        results => results?,
    };
    let (mut all, mut refused) = (Vec::new(), None);
    for (group, result) in results {
        match result {
            Ok(written) => all.push(write_result(&app, &group, &written).await),
            Err(error) => refused = refused.or(Some(RouteError::from_forget(&error, Some(&group)))),
        }
    }
    match refused {
        None => Ok(Json(all)),
        Some(refused) if all.is_empty() => Err(refused),
        Some(refused) => {
            let names: Vec<&str> = all.iter().map(|done| done.group.as_str()).collect();
            Err(refused.with_partial_success(&names.join(", ")))
        }
    }
}
