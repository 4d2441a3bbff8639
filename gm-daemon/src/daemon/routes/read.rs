//! Routes that read. Each takes a snapshot from the node and formats it outside the node's task.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use gm_daemon::api;
use gm_data::{GroupName, KeyRange, Op, View, key_of};
use gm_node::Freshness;
use serde::Deserialize;

use super::extract::{GroupPath, QueryParams};
use super::streaming::{ListFormat, stream_list};
use super::{App, RouteError, convert, peer};

type Answer<T> = Result<Json<T>, RouteError>;
type AppState = State<Arc<App>>;

/// Maximum time that a read with `fresh` may wait.
const MAX_FRESH_WAIT: Duration = Duration::from_secs(86_400);
/// Interval of checks while it waits.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Returns a view of a group and its freshness. With `fresh`, in milliseconds, it waits up to that
/// time until the group was compared with another host.
async fn view(app: &App, group: &GroupName, fresh: Option<u64>) -> Result<(View, Freshness), RouteError> {
    let until = Instant::now() + fresh.map_or(Duration::ZERO, Duration::from_millis).min(MAX_FRESH_WAIT);
    loop {
        let Some((view, freshness)) = app.node.view_with_freshness(group).await? else {
            return Err(not_hosted(app, group).await);
        };
        if freshness.is_verified() || Instant::now() >= until {
            return Ok((view, freshness));
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Refusal for a group that is not hosted, with a member of it.
async fn not_hosted(app: &App, group: &GroupName) -> RouteError {
    let known = app.node.groups().await.unwrap_or_default();
    let contact = known.into_iter().find(|(name, _)| name == group).and_then(|(_, contact)| contact);
    RouteError::unknown_group(group, contact)
}

/// `GET /v1/groups`.
pub(super) async fn groups(State(app): AppState) -> Answer<Vec<api::GroupInfo>> {
    let hosted = app.node.status().await?.groups;
    let others = app.node.groups().await?;
    let others = others.iter().filter_map(|(name, contact)| Some(convert::contact_group(name, (*contact)?)));
    let mut all: Vec<api::GroupInfo> = hosted.iter().map(convert::hosted_group).chain(others).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Json(all))
}

/// `GET /v1/groups/{g}`.
pub(super) async fn group(State(app): AppState, GroupPath(group): GroupPath) -> Answer<api::GroupInfo> {
    if let Some(status) = app.node.group_status(&group).await? {
        return Ok(Json(convert::hosted_group(&status)));
    }
    let known = app.node.groups().await?;
    match known.into_iter().find(|(name, _)| *name == group) {
        Some((name, Some(contact))) => Ok(Json(convert::contact_group(&name, contact))),
        _ => Err(RouteError::unknown_group(&group, None)),
    }
}

/// Query with the time in milliseconds to wait for a comparison with another host.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FreshQuery {
    fresh: Option<u64>,
}

/// `GET /v1/groups/{g}/members`.
pub(super) async fn members(
    State(app): AppState,
    GroupPath(group): GroupPath,
    QueryParams(FreshQuery { fresh }): QueryParams<FreshQuery>,
    form: ListFormat,
) -> Result<Response, RouteError> {
    let (view, freshness) = view(&app, &group, fresh).await?;
    let (group, sync) = (group.to_string(), convert::sync(&freshness));
    stream_list(&app, form, move |out| {
        out.head(&api::MemberList { group, sync, members: Vec::new() })?;
        convert::members(&view).try_for_each(|member| out.item(&member))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopologyQuery {
    op: Option<api::ItemOp>,
    fresh: Option<u64>,
}

/// `GET /v1/groups/{g}/topology?op=`.
pub(super) async fn topology(
    State(app): AppState,
    GroupPath(group): GroupPath,
    QueryParams(wanted): QueryParams<TopologyQuery>,
    form: ListFormat,
) -> Result<Response, RouteError> {
    let op = match wanted.op {
        None => None,
        Some(api::ItemOp::Add) => Some(Op::Add),
        Some(api::ItemOp::Get) => Some(Op::Get),
        Some(api::ItemOp::Rmv) => return Err(RouteError::usage("the query op is neither add nor get")),
    };
    let (view, freshness) = view(&app, &group, wanted.fresh).await?;
    let (group, sync) = (group.to_string(), convert::sync(&freshness));
    stream_list(&app, form, move |out| {
        out.head(&api::ItemList { group, sync, items: Vec::new() })?;
        let items = op.map_or_else(|| view.items(), |op| view.items_of(op));
        items.iter().try_for_each(|timed| out.item(&convert::item(&timed.item)))
    })
    .await
}

/// `GET /v1/groups/{g}/coverage`.
pub(super) async fn coverage(
    State(app): AppState,
    GroupPath(group): GroupPath,
    QueryParams(FreshQuery { fresh }): QueryParams<FreshQuery>,
    form: ListFormat,
) -> Result<Response, RouteError> {
    let (view, freshness) = view(&app, &group, fresh).await?;
    let sync = convert::sync(&freshness);
    stream_list(&app, form, move |out| {
        // The minimum precedes the segments, so they are traversed twice.
        let min_owners = view.redundancy().keys().next().copied().unwrap_or(0);
        out.head(&api::Coverage { sync, min_owners, segments: Vec::new() })?;
        convert::coverage(&view).try_for_each(|segment| out.item(&segment))
    })
    .await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LocateQuery {
    key: Option<String>,
    bytes: Option<String>,
    fresh: Option<u64>,
}

/// `GET /v1/groups/{g}/locate?key=K`, or `?bytes=TEXT`.
pub(super) async fn locate(
    State(app): AppState,
    GroupPath(group): GroupPath,
    QueryParams(sought): QueryParams<LocateQuery>,
    form: ListFormat,
) -> Result<Response, RouteError> {
    let key = match (sought.key, sought.bytes) {
        (None, Some(bytes)) => key_of(bytes.as_bytes()),
        (Some(key), None) => {
            let range = key.parse::<KeyRange>().ok().filter(|range| range.width() == 1);
            let range = range.ok_or_else(|| {
                RouteError::usage(format!("the key `{key}` is not a number of 32 bits, decimal or 0x..."))
            })?;
            range.start()
        }
        _ => return Err(RouteError::usage("name the key: ?key=K or ?bytes=TEXT")),
    };
    let (view, freshness) = view(&app, &group, sought.fresh).await?;
    let sync = convert::sync(&freshness);
    stream_list(&app, form, move |out| {
        out.head(&api::OwnerList { sync, key, owners: Vec::new() })?;
        view.locate(key).iter().try_for_each(|owner| out.item(&convert::owner(owner)))
    })
    .await
}

/// `GET /v1/peers`.
pub(super) async fn peers(State(app): AppState) -> Answer<Vec<api::PeerInfo>> {
    let (me, peers) = (app.node.my_id(), app.node.peers().await?);
    Ok(Json(peers.iter().map(|(node, status)| peer::peer(me, *node, status)).collect()))
}
