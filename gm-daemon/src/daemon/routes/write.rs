//! Routes that write: each is one write of the node, answered when its wait ends. Closing the
//! connection does not undo the write. The answer is exact: success, a refusal (nothing was
//! written), or unknown.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use gm_clock::NetId;
use gm_daemon::api;
use gm_data::{GroupName, KeyRange};
use gm_node::{AckCount, CommittedWrite, NodeError, Wait, WaitOutcome};

use super::extract::{GroupPath, JsonBody, parse_group_name};
use super::{App, RouteError, convert};

type Answer = Result<Json<Vec<api::WriteResult>>, RouteError>;
type AppState = State<Arc<App>>;

fn to_wait(wait: &api::WaitOptions) -> Wait {
    let count = match wait.wait {
        api::WaitCount::None => AckCount::None,
        api::WaitCount::Members(number) => AckCount::Some(number),
        api::WaitCount::All => AckCount::All,
    };
    Wait { count, on_disk: wait.disk, timeout: Duration::from_millis(wait.timeout) }
}

fn parse_range(start: u32, end: u32) -> Result<KeyRange, RouteError> {
    KeyRange::new(start, end).map_err(|error| RouteError::usage(error.to_string()))
}

/// Answer to a write that stands.
fn write_result(app: &App, group: &GroupName, written: &CommittedWrite) -> api::WriteResult {
    let mut done = convert::write_result(group, written);
    if app.gate.is_closed() && written.wait.outcome == WaitOutcome::TimedOut {
        done.wait = api::WaitResult::Ended;
    }
    done
}

/// `POST /v1/groups/{g}/join`.
pub(super) async fn join(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(request): JsonBody<api::JoinRequest>,
) -> Answer {
    let api::JoinRequest { ranges, wait } = request;
    let ranges = ranges.into_iter().map(|[start, end]| parse_range(start, end)).collect::<Result<_, _>>()?;
    let written = app.node.join(&group, ranges, to_wait(&wait)).await?;
    Ok(Json(vec![write_result(&app, &group, &written)]))
}

/// `POST /v1/groups/{g}/leave`.
pub(super) async fn leave(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(request): JsonBody<api::LeaveRequest>,
) -> Answer {
    let api::LeaveRequest { wait } = request;
    let written = app.node.leave(&group, to_wait(&wait)).await?;
    Ok(Json(vec![write_result(&app, &group, &written)]))
}

/// `POST /v1/groups/{g}/change`.
pub(super) async fn change(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(request): JsonBody<api::ChangeRequest>,
) -> Answer {
    let api::ChangeRequest { changes, wait } = request;
    let written = app.node.change(&group, changes, to_wait(&wait)).await?;
    Ok(Json(vec![write_result(&app, &group, &written)]))
}

/// `POST /v1/groups/{g}/resume`.
pub(super) async fn resume(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(request): JsonBody<api::LeaveRequest>,
) -> Answer {
    let api::LeaveRequest { wait } = request;
    let written = app.node.resume(&group, to_wait(&wait)).await?;
    Ok(Json(vec![write_result(&app, &group, &written)]))
}

/// `POST /v1/groups/{g}/purge`.
pub(super) async fn purge(
    State(app): AppState,
    GroupPath(group): GroupPath,
    JsonBody(request): JsonBody<api::PurgeRequest>,
) -> Result<Json<api::PurgeResult>, RouteError> {
    let records = app.node.purge(&group, request.unheard).await?;
    Ok(Json(api::PurgeResult { group: group.to_string(), records }))
}

/// `POST /v1/forget`. If a group refuses it, the refusal names the groups in which it was done.
pub(super) async fn forget(State(app): AppState, JsonBody(request): JsonBody<api::ForgetRequest>) -> Answer {
    let api::ForgetRequest { node, group, wait } = request;
    let member: NetId = node
        .parse()
        .map_err(|error| RouteError::usage(format!("the node `{node}` is not IP:PORT: {error}")))?;
    let group = group.as_deref().map(parse_group_name).transpose()?;
    let results = match app.node.forget(member, group.as_ref(), to_wait(&wait)).await {
        Err(NodeError::Refused(error)) => return Err(RouteError::from_forget(&error, group.as_ref())),
        results => results?,
    };
    let (mut all, mut refused) = (Vec::new(), None);
    for (group, result) in results {
        match result {
            Ok(written) => all.push(write_result(&app, &group, &written)),
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
