//! Route of the daemon's status, with its warnings.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use gm_daemon::api;
use gm_node::handle::NodeStatus;

use super::{App, RouteError, convert, network};
use crate::daemon::config::{NO_DISCOVERY, limit_text};

/// `GET /v1/status`.
pub(super) async fn status(State(app): State<Arc<App>>) -> Result<Json<api::DaemonStatus>, RouteError> {
    let status = app.node.status().await?;
    let found = app.node.network().await?;
    let keys = app.problems.keys();
    let uptime = app.started_at.elapsed().as_secs();
    let multicast = app.multicast();
    let mut warnings = warnings(&app, &status, found.alive);
    warnings.extend(multicast.warning(found.near));
    warnings.extend(network::warnings(status.me, uptime, &found));
    Ok(Json(api::DaemonStatus {
        node: status.me.to_string(),
        cluster: app.cluster.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime,
        data_dir: app.data_dir.as_ref().map(|dir| dir.to_string_lossy().into_owned()),
        storage: status.health.storage_error.clone(),
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
        address_conflict: status.health.has_address_conflict(),
        groups: status.groups.iter().map(convert::hosted_group).collect(),
        known_groups: status.known_groups,
    }))
}

fn warnings(app: &App, status: &NodeStatus, alive: usize) -> Vec<String> {
    let mut all = app.warnings.clone();
    all.retain(|warning| warning != NO_DISCOVERY || (alive == 0 && !app.is_single));
    if app.is_single && alive > 0 {
        all.push("`single` is set, but there are other nodes, which waits and reads ignore: start without `single`".to_owned());
    }
    all.extend(app.problems.warnings());
    let health = &status.health;
    if let Some(why) = &health.storage_error {
        all.push(format!("the storage fails, so writes are refused: {why}"));
    }
    if let Some(why) = &health.storage_doubt {
        let incomplete: Vec<&str> = health.incomplete_groups.iter().map(gm_data::GroupName::as_str).collect();
        let found = if incomplete.is_empty() {
            String::new()
        } else {
            format!(" Writes are missing in {}.", incomplete.join(", "))
        };
        all.push(format!(
            "the storage may lack what it reported as stored before this start: {why}.{found} Check with `topology` what this node serves, and write again what is missing"
        ));
    }
    if health.has_address_conflict() {
        all.push("another node uses this address: stop one of them, or give it another `address`".to_owned());
    }
    for group in &status.groups {
        let Some(conflict) = group.conflict else { continue };
        let by = conflict.reported_by.map_or_else(String::new, |node| format!(" (last reported by {node})"));
        all.push(format!(
            "{}: another node writes under this node's address{by}, so this node's writes are paused until {} s pass without it: stop one of them, or give it another `address`. Then `resume` ends the pause at once",
            group.name,
            conflict.pause_millis.div_ceil(1_000)
        ));
    }
    for group in &health.beyond_horizon {
        all.push(format!(
            "{group}: a process that has the key wrote a record of this node with a version beyond the horizon, which no correct node does. This node has evicted it and published its own record again. Find that process, and change the key"
        ));
    }
    for group in status.groups.iter().filter(|group| group.is_near_limit) {
        all.push(format!(
            "{}: {} records, {} of them of forgotten members, are close to the limit (`max-records`). `purge` drops those of forgotten members",
            group.name, group.records, group.former
        ));
    }
    let is_full = |name: &gm_data::GroupName| {
        status.groups.iter().any(|group| group.name == *name && group.is_at_limit)
    };
    for (group, limit) in health.limited_groups.iter().filter(|(group, _)| is_full(group)) {
        all.push(format!(
            "{group}: a limit is reached ({}), so this node does not accept new members or ranges, and its state of the group is incomplete",
            limit_text(limit)
        ));
    }
    if let Some(max) = status.name_limit_reached {
        all.push(format!(
            "this node knows the names of {max} groups that it does not host, which is the limit (`max-known-groups`): new names replace those confirmed least recently, so `groups` does not list all. Joining a group still works"
        ));
    }
    if health.forgotten_unseen > 0 {
        let items = health.forgotten_unseen;
        all.push(format!(
            "{items} ranges were lost because their member was forgotten by a node that had not received them"
        ));
    }
    all
}
