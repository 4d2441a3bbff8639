//! Routes that write: each is one write of the node, answered when its wait ends. Giving the request up does not undo it. An answer is always true:
//! done, refused and nothing was written, or not known.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use gm_clock::NetId;
use gm_data::{Change, DEFAULT_PRIORITY, GroupName, KeyRange};
use gm_node::service::ServiceError;
use gm_node::{AckCount, CommittedWrite, Wait, WaitOutcome, api};

use super::ask::{Of, Ordered, name};
use super::{App, Failure, shape};

type Answer = Result<Json<Vec<api::Done>>, Failure>;
type Here = State<Arc<App>>;

fn wait(wait: &api::Wait) -> Result<Wait, Failure> {
    let count = match wait.wait.as_str() {
        "none" => AckCount::None,
        "one" => AckCount::Some(1),
        "all" => AckCount::All,
        number => AckCount::Some(number.parse().map_err(|_| {
            Failure::usage(format!("wait `{number}` is none of none, one, all, and no number"))
        })?),
    };
    Ok(Wait { count, on_disk: wait.disk, timeout: Duration::from_millis(wait.timeout) })
}

fn range(start: u32, end: u32) -> Result<KeyRange, Failure> {
    KeyRange::new(start, end).map_err(|error| Failure::usage(error.to_string()))
}

fn change_of(order: &api::Order) -> Result<Change, Failure> {
    Ok(match order {
        api::Order::Serve { start, end, port, priority } => Change::Serve {
            range: range(*start, *end)?,
            port: Some(*port),
            priority: priority.unwrap_or(DEFAULT_PRIORITY),
        },
        api::Order::Unserve { start, end } => Change::Unserve(range(*start, *end)?),
        api::Order::Interest { start, end } => Change::Interest(range(*start, *end)?),
        api::Order::Priority { start, end, priority } => priority_of(range(*start, *end)?, priority)?,
    })
}

fn priority_of(range: KeyRange, text: &str) -> Result<Change, Failure> {
    let number = |digits: &str| {
        let number =
            digits.bytes().all(|digit| digit.is_ascii_digit()).then(|| digits.parse().ok()).flatten();
        number.ok_or_else(|| {
            Failure::usage(format!("the priority `{text}` is not N, +N or -N with N up to 65535"))
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
async fn done(app: &App, group: &GroupName, written: &CommittedWrite) -> api::Done {
    let mut done = match app.service.view(group).await {
        Ok(view) => shape::done(group, written, view.map_or(0, |view| view.fingerprint())),
        // The node has ended meanwhile: the fingerprint is not known.
        Err(_) => api::Done { fingerprint: String::new(), ..shape::done(group, written, 0) },
    };
    if app.gate.is_closed() && written.wait.outcome == WaitOutcome::TimedOut {
        done.wait = "ended".to_owned();
    }
    done
}

/// `POST /v1/groups/{g}/join`.
pub(super) async fn join(State(app): Here, Of(group): Of, Ordered(asked): Ordered<api::Join>) -> Answer {
    let api::Join { ranges, wait: for_whom } = asked;
    let ranges = ranges.into_iter().map(|[start, end]| range(start, end)).collect::<Result<_, _>>()?;
    let written = app.service.join(&group, ranges, wait(&for_whom)?).await?;
    Ok(Json(vec![done(&app, &group, &written).await]))
}

/// `POST /v1/groups/{g}/leave`.
pub(super) async fn leave(State(app): Here, Of(group): Of, Ordered(asked): Ordered<api::Leave>) -> Answer {
    let api::Leave { wait: for_whom } = asked;
    let written = app.service.leave(&group, wait(&for_whom)?).await?;
    Ok(Json(vec![done(&app, &group, &written).await]))
}

/// `POST /v1/groups/{g}/change`.
pub(super) async fn change(State(app): Here, Of(group): Of, Ordered(asked): Ordered<api::Batch>) -> Answer {
    let api::Batch { changes, wait: for_whom } = asked;
    let changes = changes.iter().map(change_of).collect::<Result<_, _>>()?;
    let written = app.service.change(&group, changes, wait(&for_whom)?).await?;
    Ok(Json(vec![done(&app, &group, &written).await]))
}

/// `POST /v1/groups/{g}/resume`.
pub(super) async fn resume(State(app): Here, Of(group): Of, Ordered(asked): Ordered<api::Leave>) -> Answer {
    let api::Leave { wait: for_whom } = asked;
    let written = app.service.resume(&group, wait(&for_whom)?).await?;
    Ok(Json(vec![done(&app, &group, &written).await]))
}

/// `POST /v1/groups/{g}/purge`.
pub(super) async fn purge(
    State(app): Here,
    Of(group): Of,
    Ordered(asked): Ordered<api::Purge>,
) -> Result<Json<api::Purged>, Failure> {
    let records = app.service.purge(&group, asked.unheard).await?;
    Ok(Json(api::Purged { group: group.to_string(), records }))
}

/// `POST /v1/forget`. If any group refuses it, the refusal names the groups in which it is done.
pub(super) async fn forget(State(app): Here, Ordered(asked): Ordered<api::Forget>) -> Answer {
    let api::Forget { node, group, wait: for_whom } = asked;
    let member: NetId =
        node.parse().map_err(|error| Failure::usage(format!("the node `{node}` is not IP:PORT: {error}")))?;
    let group = group.as_deref().map(name).transpose()?;
    let results = match app.service.forget(member, group.as_ref(), wait(&for_whom)?).await {
        Err(ServiceError::Refused(error)) => return Err(Failure::forget(&error, group.as_ref())),
        results => results?,
    };
    let (mut all, mut refused) = (Vec::new(), None);
    for (group, result) in results {
        match result {
            Ok(written) => all.push(done(&app, &group, &written).await),
            Err(error) => refused = refused.or(Some(Failure::forget(&error, Some(&group)))),
        }
    }
    match refused {
        None => Ok(Json(all)),
        Some(refused) if all.is_empty() => Err(refused),
        Some(refused) => {
            let names: Vec<&str> = all.iter().map(|done| done.group.as_str()).collect();
            Err(refused.but_done_in(&names.join(", ")))
        }
    }
}
