//! Logs the node's events: what happened, which node or group is affected, and the setting or
//! command that fixes it.

use gm_node::{EventWatch, NodeEvent};

use super::config::limit_text;
use super::problem_texts;

/// Logs events until the node has ended.
pub(crate) async fn log_events(mut events: EventWatch) {
    let mut has_peer = false;
    while let Some(event) = events.next().await {
        let missed = events.take_missed();
        if missed > 0 {
            tracing::warn!("{missed} events are not logged because they came too fast");
        }
        log_event(&event, &mut has_peer);
    }
}

fn log_event(event: &NodeEvent, has_peer: &mut bool) {
    match event {
        NodeEvent::InSync { group, with } => {
            tracing::info!(%group, %with, "in sync: another host has the same fingerprint of this group");
        }
        NodeEvent::Hosted { group } => tracing::debug!(%group, "hosted from now on"),
        NodeEvent::Released { group } => tracing::debug!(%group, "no longer hosted"),
        NodeEvent::PeerUnlisted(peer) => tracing::debug!(%peer, "forgotten, and no longer listed as a peer"),
        NodeEvent::IdentityConflict { group, pause_millis, reported_by } => tracing::error!(
            %group,
            pause_seconds = pause_millis / 1_000,
            reported_by = reported_by.map(tracing::field::display),
            "identity conflict: another node writes under this node's address, so this node's writes in the group are paused until that time passes without it. Stop one of them, or give it another `address`; then `gm-node resume` ends the pause at once"
        ),
        NodeEvent::HorizonClaimEvicted { group, above } => tracing::error!(
            %group, %above,
            "a process that has the key wrote a record of this node with a version beyond the horizon, which no correct node does. This node orders all members to drop it (an eviction) and publishes its own record again. Find that process, and change the key"
        ),
        NodeEvent::DuplicateAddress => tracing::error!(
            "address conflict: another node uses this node's address, or a device reflects its packets. Stop one of the nodes, or give it another `address`"
        ),
        NodeEvent::LostByForget { group, member, items } => tracing::warn!(
            %group, %member, items,
            "a member was forgotten by a node that had not received its latest write; that write is lost. If the member is alive, it publishes it again by itself"
        ),
        NodeEvent::NearRecordLimit { group, records, max } => tracing::warn!(
            %group, records, max,
            "the number of records in the group, including those of forgotten members, is close to the limit (`max-records`): `gm-node purge` drops those of forgotten members"
        ),
        NodeEvent::LimitReached { group, limit } => tracing::error!(
            %group, limit = limit_text(limit),
            "a limit is reached: this node does not accept new members or ranges of the group, and its state of the group is incomplete"
        ),
        NodeEvent::ContactsFull { max } => tracing::warn!(
            max,
            "the limit of known groups that are not hosted is reached (`max-known-groups`): new names replace those confirmed least recently, so `groups` does not list all. Joining a group still works"
        ),
        NodeEvent::StoreFailed { why } => tracing::error!(
            "the storage fails, so this node refuses its own writes until it works again; it still receives the writes of other nodes: {why}"
        ),
        NodeEvent::StoreRecovered => tracing::info!("the storage works again"),
        NodeEvent::StoreLossSuspected { why, groups } => tracing::error!(
            groups,
            "the storage may lack what it reported as stored: {why}. This node asks others for its own record before it writes; check with `topology` what it serves, and write again what is missing"
        ),
        NodeEvent::StoreLossConfirmed { group, stored, known } => tracing::error!(
            %group, ?stored, ?known,
            "the storage lacked writes of this node: others have a later version of its record. It continues with the stored record: check with `topology`, and write again what is missing"
        ),
        NodeEvent::StoreLossExcluded => {
            tracing::info!(
                "the storage is trusted again: other nodes were asked in all groups of this node, or it has written in them since"
            );
        }
        NodeEvent::NotBroadcast { group, why } => {
            tracing::warn!(%group, "a write is too large for a broadcast; the other nodes receive it through anti-entropy: {why}");
        }
        NodeEvent::Broadcast(event) => log_broadcast_event(event, has_peer),
        NodeEvent::Answered { .. } | NodeEvent::Changed { .. } | NodeEvent::WatchRefused { .. } => {}
    }
}

fn log_broadcast_event(event: &gm_broadcast::BroadcastEvent, has_peer: &mut bool) {
    match event {
        gm_broadcast::BroadcastEvent::NodeFound(peer) | gm_broadcast::BroadcastEvent::Near(peer)
            if !*has_peer =>
        {
            *has_peer = true;
            tracing::info!(%peer, "found the first other node of the cluster");
        }
        gm_broadcast::BroadcastEvent::NodeFound(peer) => tracing::debug!(%peer, "peer found"),
        gm_broadcast::BroadcastEvent::Near(peer) => tracing::debug!(%peer, "near: its multicast is received"),
        gm_broadcast::BroadcastEvent::Far(peer) => {
            tracing::debug!(%peer, "far: its multicast is no longer received")
        }
        gm_broadcast::BroadcastEvent::Unopened(unopened) => {
            tracing::warn!("{}", problem_texts::unopened_text(unopened))
        }
        gm_broadcast::BroadcastEvent::DatagramReachability { node, lost: true } => tracing::warn!(
            peer = %node,
            "datagrams between this node and the peer are lost, and connections are used instead: let UDP through the firewalls between them, on the ports of both nodes"
        ),
        gm_broadcast::BroadcastEvent::DatagramReachability { node, lost: false } => {
            tracing::info!(peer = %node, "datagrams between this node and the peer work again");
        }
        gm_broadcast::BroadcastEvent::Stalled(peer) => tracing::warn!(
            %peer,
            "a transfer stalled while small packets arrive: the path to the peer swallows large packets. Smaller segments are used from now on; fix the MTU of the path"
        ),
        gm_broadcast::BroadcastEvent::SeedTrouble { node, why } => {
            tracing::warn!(seed = %node, "a seed is not reached: {}. The node keeps dialing it", problem_texts::seed_problem(*why));
        }
        gm_broadcast::BroadcastEvent::SeedReached(seed) => tracing::info!(%seed, "seed reached"),
        other => tracing::trace!("{other:?}"),
    }
}
