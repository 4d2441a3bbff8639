//! Routes that read: each asks for a snapshot and shapes it beside the node. Changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use gm_data::{GroupName, KeyRange, Op, View, key_of};
use gm_node::{Freshness, api};
use serde::Deserialize;

use super::ask::{Asked, Of};
use super::{App, Failure, peer, shape};

type Answer<T> = Result<Json<T>, Failure>;
type Here = State<Arc<App>>;

/// The longest time for which a read waits until its group was compared: a day.
const LONGEST: Duration = Duration::from_secs(86_400);
/// How often it is looked meanwhile.
const EVERY: Duration = Duration::from_millis(20);

/// The state of a group and how far it was compared, or that it is not held. With `fresh`, in milliseconds, it is waited so long until the group
/// was compared with another holder.
async fn view(app: &App, group: &GroupName, fresh: Option<u64>) -> Result<(View, Freshness), Failure> {
    let until = Instant::now() + fresh.map_or(Duration::ZERO, Duration::from_millis).min(LONGEST);
    loop {
        let Some((view, freshness)) = app.service.view_with_freshness(group).await? else {
            return Err(not_held(app, group).await);
        };
        if freshness.is_verified() || Instant::now() >= until {
            return Ok((view, freshness));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// That a group is not held, and who is in it.
async fn not_held(app: &App, group: &GroupName) -> Failure {
    let known = app.service.groups().await.unwrap_or_default();
    let contact = known.into_iter().find(|(name, _)| name == group).and_then(|(_, contact)| contact);
    Failure::unknown_group(group, contact)
}

/// `GET /v1/groups`.
pub(super) async fn groups(State(app): Here) -> Answer<Vec<api::Group>> {
    let held = app.service.status().await?.groups;
    let others = app.service.groups().await?;
    let others = others.iter().filter_map(|(name, contact)| Some(shape::known(name, (*contact)?)));
    let mut all: Vec<api::Group> = held.iter().map(shape::held).chain(others).collect();
    all.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Json(all))
}

/// `GET /v1/groups/{g}`.
pub(super) async fn group(State(app): Here, Of(group): Of) -> Answer<api::Group> {
    if let Some(status) = app.service.group_status(&group).await? {
        return Ok(Json(shape::held(&status)));
    }
    let known = app.service.groups().await?;
    match known.into_iter().find(|(name, _)| *name == group) {
        Some((name, Some(contact))) => Ok(Json(shape::known(&name, contact))),
        _ => Err(Failure::unknown_group(&group, None)),
    }
}

/// How long a read waits until its group was compared, in milliseconds; nothing if not at all.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Fresh {
    fresh: Option<u64>,
}

/// `GET /v1/groups/{g}/members`.
pub(super) async fn members(
    State(app): Here,
    Of(group): Of,
    Asked(Fresh { fresh }): Asked<Fresh>,
) -> Answer<api::Members> {
    let (view, freshness) = view(&app, &group, fresh).await?;
    let members = shape::members(&view);
    Ok(Json(api::Members { group: group.to_string(), sync: shape::sync(&freshness), members }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    op: Option<String>,
    fresh: Option<u64>,
}

/// `GET /v1/groups/{g}/topology?op=`.
pub(super) async fn topology(
    State(app): Here,
    Of(group): Of,
    Asked(wanted): Asked<Wanted>,
) -> Answer<api::Topology> {
    let (view, freshness) = view(&app, &group, wanted.fresh).await?;
    let items = match wanted.op.as_deref() {
        None => view.topology(),
        Some("add") => view.topology_of(Op::Add),
        Some("get") => view.topology_of(Op::Get),
        Some(other) => return Err(Failure::usage(format!("op `{other}` is neither add nor get"))),
    };
    let items = items.iter().map(|timed| shape::item(&timed.item)).collect();
    Ok(Json(api::Topology { group: group.to_string(), sync: shape::sync(&freshness), items }))
}

/// `GET /v1/groups/{g}/coverage`.
pub(super) async fn coverage(
    State(app): Here,
    Of(group): Of,
    Asked(Fresh { fresh }): Asked<Fresh>,
) -> Answer<api::Coverage> {
    let (view, freshness) = view(&app, &group, fresh).await?;
    Ok(Json(shape::coverage(&view, &freshness)))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sought {
    key: Option<String>,
    bytes: Option<String>,
    fresh: Option<u64>,
}

/// `GET /v1/groups/{g}/locate?key=K`, or `?bytes=TEXT`.
pub(super) async fn locate(
    State(app): Here,
    Of(group): Of,
    Asked(sought): Asked<Sought>,
) -> Answer<api::Located> {
    let key = match (sought.key, sought.bytes) {
        (None, Some(bytes)) => key_of(bytes.as_bytes()),
        (Some(key), None) => {
            let range = key.parse::<KeyRange>().ok().filter(|range| range.width() == 1);
            let range = range.ok_or_else(|| {
                Failure::usage(format!("the key `{key}` is not a number of 32 bits, decimal or 0x..."))
            })?;
            range.start()
        }
        _ => return Err(Failure::usage("say which key: ?key=K or ?bytes=TEXT")),
    };
    let (view, freshness) = view(&app, &group, sought.fresh).await?;
    let owners = view.locate(key).iter().map(shape::owner).collect();
    Ok(Json(api::Located { sync: shape::sync(&freshness), key, owners }))
}

/// `GET /v1/peers`.
pub(super) async fn peers(State(app): Here) -> Answer<Vec<api::Peer>> {
    let (me, peers) = (app.service.my_id(), app.service.peers().await?);
    Ok(Json(peers.iter().map(|(node, status)| peer::peer(me, *node, status)).collect()))
}
