//! Routes that read: each asks for a snapshot and shapes it beside the node. Changes nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use gm_data::{GroupName, KeyRange, Op, View, key_of};
use gm_node::{Freshness, api};
use serde::Deserialize;

use super::ask::{Asked, Of};
use super::list::{Form, list};
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
    form: Form,
) -> Result<Response, Failure> {
    let (view, freshness) = view(&app, &group, fresh).await?;
    let (group, sync) = (group.to_string(), shape::sync(&freshness));
    list(&app, form, move |out| {
        out.head(&api::Members { group, sync, members: Vec::new() })?;
        shape::members(&view).try_for_each(|member| out.item(&member))
    })
    .await
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
    form: Form,
) -> Result<Response, Failure> {
    let op = match wanted.op.as_deref() {
        None => None,
        Some("add") => Some(Op::Add),
        Some("get") => Some(Op::Get),
        Some(other) => return Err(Failure::usage(format!("op `{other}` is neither add nor get"))),
    };
    let (view, freshness) = view(&app, &group, wanted.fresh).await?;
    let (group, sync) = (group.to_string(), shape::sync(&freshness));
    list(&app, form, move |out| {
        out.head(&api::Topology { group, sync, items: Vec::new() })?;
        let items = op.map_or_else(|| view.items(), |op| view.items_of(op));
        items.iter().try_for_each(|timed| out.item(&shape::item(&timed.item)))
    })
    .await
}

/// `GET /v1/groups/{g}/coverage`.
pub(super) async fn coverage(
    State(app): Here,
    Of(group): Of,
    Asked(Fresh { fresh }): Asked<Fresh>,
    form: Form,
) -> Result<Response, Failure> {
    let (view, freshness) = view(&app, &group, fresh).await?;
    let sync = shape::sync(&freshness);
    list(&app, form, move |out| {
        // It stands before the pieces, so they are walked twice.
        let least = view.redundancy().keys().next().copied().unwrap_or(0);
        out.head(&api::Coverage { sync, least, pieces: Vec::new() })?;
        shape::coverage(&view).try_for_each(|piece| out.item(&piece))
    })
    .await
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
    form: Form,
) -> Result<Response, Failure> {
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
    let sync = shape::sync(&freshness);
    list(&app, form, move |out| {
        out.head(&api::Located { sync, key, owners: Vec::new() })?;
        view.locate(key).iter().try_for_each(|owner| out.item(&shape::owner(owner)))
    })
    .await
}

/// `GET /v1/peers`.
pub(super) async fn peers(State(app): Here) -> Answer<Vec<api::Peer>> {
    let (me, peers) = (app.service.my_id(), app.service.peers().await?);
    Ok(Json(peers.iter().map(|(node, status)| peer::peer(me, *node, status)).collect()))
}
