//! How the daemon stands, and what an operator should look at. Changes nothing.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gm_node::api;
use gm_node::handle::NodeStatus;

use super::{App, RouteError, convert, network};
use crate::daemon::config::{NO_DISCOVERY, limit_text};

/// `GET /v1/status`.
pub(super) async fn status(State(app): State<Arc<App>>) -> Result<Json<api::DaemonStatus>, RouteError> {
    let standing = app.service.status().await?;
    let found = app.service.network().await?;
    let keys = app.concerns.keys();
    let uptime = app.started_at.elapsed().as_secs();
    let multicast = app.multicast();
    let mut warnings = warnings(&app, &standing, found.alive);
    warnings.extend(multicast.warning(found.near));
    warnings.extend(network::warnings(standing.me, uptime, &found));
    Ok(Json(api::DaemonStatus {
        node: standing.me.to_string(),
        cluster: app.cluster.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime,
        data_dir: app.data_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned()),
        storage: standing.health.storage_error.clone(),
        sealed: keys.is_some(),
        key: keys.as_ref().map(|keys| keys.sealing.clone()),
        other_keys: keys.map(|keys| keys.others).unwrap_or_default(),
        warnings,
        multicast: multicast.text(found.near, found.alive),
        peers: found.peers,
        near: found.near,
        alive: found.alive,
        seeds: found.seeds.iter().map(network::seed).collect(),
        unauthenticated: network::unauthenticated(&found),
        incomplete: network::incomplete(&found),
        address_conflict: standing.health.has_address_conflict(),
        groups: standing.groups.iter().map(convert::hosted_group).collect(),
        known_groups: standing.known_groups,
    }))
}

fn warnings(app: &App, standing: &NodeStatus, alive: usize) -> Vec<String> {
    let mut all = app.warnings.clone();
    all.retain(|warning| warning != NO_DISCOVERY || (alive == 0 && !app.is_single));
    if app.is_single && alive > 0 {
        all.push("`single` is set and other nodes are there: waits and reads do not ask for them. Start without `single`".to_owned());
    }
    all.extend(app.concerns.warnings());
    let facts = &standing.health;
    if let Some(why) = &facts.storage_error {
        all.push(format!("the storage fails, and writes are refused: {why}"));
    }
    if let Some(why) = &facts.storage_doubt {
        let lacked: Vec<&str> = facts.incomplete_groups.iter().map(gm_data::GroupName::as_str).collect();
        let found =
            if lacked.is_empty() { String::new() } else { format!(" It did in {}.", lacked.join(", ")) };
        all.push(format!(
            "the storage may lack what it reported as stored before this start: {why}.{found} Look at what this node serves with `topology`, and say again what is missing"
        ));
    }
    if facts.has_address_conflict() {
        all.push(
            "another node uses this address: stop one of the two, or give it another `address`".to_owned(),
        );
    }
    for group in &standing.groups {
        let Some(conflict) = group.conflict else { continue };
        let by = conflict.reported_by.map_or_else(String::new, |node| format!(" (last shown by {node})"));
        all.push(format!(
            "{}: another node writes under this address{by}, and nothing is written until it was silent for {} s more: stop one of the two, or give it another `address`. Then `resume` ends the pause at once",
            group.name,
            conflict.pause_millis.div_ceil(1_000)
        ));
    }
    for group in &facts.beyond_horizon {
        all.push(format!(
            "{group}: somebody who has the key wrote a record of this node at the end of its range; this node came back below it, and others drop it. No node does so by itself: look for what did, and change the key"
        ));
    }
    for group in standing.groups.iter().filter(|group| group.is_near_limit) {
        all.push(format!(
            "{}: {} records, {} of them of forgotten members, which count: nearly as many as may be (`max-records`). `purge` drops those of the forgotten",
            group.name, group.records, group.former
        ));
    }
    let is_full = |name: &gm_data::GroupName| {
        standing.groups.iter().any(|group| group.name == *name && group.is_at_limit)
    };
    for (group, bound) in facts.limited_groups.iter().filter(|(group, _)| is_full(group)) {
        all.push(format!(
            "{group}: there is more than this node takes ({}): newcomers are kept out, and the picture of it here is not whole",
            limit_text(bound)
        ));
    }
    if let Some(most) = standing.name_limit_reached {
        all.push(format!(
            "{most} names of groups that this node is not in are known, as many as may be (`max-known-groups`): those confirmed least recently make room for others, and `groups` does not list all. Joining a group does not depend on it"
        ));
    }
    if facts.forgotten_unseen > 0 {
        let items = facts.forgotten_unseen;
        all.push(format!("{items} ranges were lost because whoever forgot their member had not seen them"));
    }
    all
}
