//! What the node tells, as lines of the log: what happened, to whom, and which setting or command
//! mends it. Changes nothing.

use gm_node::NodeEvent;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use super::config::limit_text;
use super::problem_texts;

/// Logs whatever the node tells, until it has ended.
pub(crate) async fn log_events(mut events: Receiver<NodeEvent>) {
    let mut is_met = false;
    loop {
        match events.recv().await {
            Ok(event) => log_event(&event, &mut is_met),
            Err(RecvError::Lagged(missed)) => {
                tracing::warn!("{missed} events came faster than they are logged")
            }
            Err(RecvError::Closed) => return,
        }
    }
}

fn log_event(event: &NodeEvent, is_met: &mut bool) {
    match event {
        NodeEvent::InSync { group, with } => {
            tracing::info!(%group, %with, "agreed: another node holds the same of this group");
        }
        NodeEvent::IdentityConflict { group, pause_millis, reported_by: shown_by } => tracing::error!(
            %group,
            pause_seconds = pause_millis / 1_000,
            shown_by = shown_by.map(tracing::field::display),
            "identity conflict: another node writes under our address; nothing is written in this group until it was silent for that long. Stop one of the two, or give it another `address`; then `gm-node resume` ends the pause at once"
        ),
        NodeEvent::HorizonClaimEvicted { group, above } => tracing::error!(
            %group, %above,
            "somebody who holds the key wrote a record of this node at the end of its range, above which nothing can be written: this node came back below it, and all members are told to drop it. No node does so by itself: look for a program that does, and change the key"
        ),
        NodeEvent::DuplicateAddress => tracing::error!(
            "clash: another node uses our address, or sends back what we send. Stop one of the two, or give it another `address`"
        ),
        NodeEvent::LostByForget { group, member, items } => tracing::warn!(
            %group, %member, items,
            "a member was forgotten by somebody who had not seen the last that it wrote: that is lost. If it lives, it says it again by itself"
        ),
        NodeEvent::NearRecordLimit { group, records, max: most } => tracing::warn!(
            %group, records, most,
            "the group has nearly as many records as may be, those of forgotten members counted: `gm-node purge` drops these"
        ),
        NodeEvent::LimitReached { group, limit: bound } => tracing::error!(
            %group, most = limit_text(bound),
            "there is more than this node takes: newcomers are kept out of the group here, and this node's picture of it is not whole"
        ),
        NodeEvent::ContactsFull { max: most } => tracing::warn!(
            most,
            "as many names of groups that this node is not in are known as may be (`max-known-groups`): those that were confirmed least recently make room for others, and `groups` does not list all. Joining a group does not depend on it"
        ),
        NodeEvent::StoreFailed { why } => tracing::error!(
            "the storage fails, and what this node writes itself is refused until it works again; what others write is still known: {why}"
        ),
        NodeEvent::StoreRecovered => tracing::info!("the storage works again"),
        NodeEvent::StoreLossSuspected { why, groups } => tracing::error!(
            groups,
            "the storage may lack what it reported as stored: {why}. Other nodes are asked what they know of this one before it writes; look at what it serves with `topology`, and say again what is missing"
        ),
        NodeEvent::StoreLossConfirmed { group, stored, known } => tracing::error!(
            %group, ?stored, ?known,
            "the storage lacked what this node wrote: others hold a later version of it. It goes on with what was stored: look with `topology`, and say again what is missing"
        ),
        NodeEvent::StoreLossExcluded => {
            tracing::info!(
                "the storage is doubted no longer: others were asked in all groups of this node, or it has written in them since"
            );
        }
        NodeEvent::NotBroadcast { group, why } => {
            tracing::warn!(%group, "a write is too large to be told at once; others learn it by and by: {why}");
        }
        NodeEvent::Broadcast(event) => log_broadcast_event(event, is_met),
        NodeEvent::Answered { .. } | NodeEvent::Changed { .. } | NodeEvent::WatchRefused { .. } => {}
    }
}

fn log_broadcast_event(event: &gm_broadcast::BroadcastEvent, is_met: &mut bool) {
    match event {
        gm_broadcast::BroadcastEvent::NodeFound(peer) | gm_broadcast::BroadcastEvent::Near(peer)
            if !*is_met =>
        {
            *is_met = true;
            tracing::info!(%peer, "the first other node of the cluster is known");
        }
        gm_broadcast::BroadcastEvent::NodeFound(peer) => tracing::debug!(%peer, "found"),
        gm_broadcast::BroadcastEvent::Near(peer) => tracing::debug!(%peer, "near: its multicast is heard"),
        gm_broadcast::BroadcastEvent::Far(peer) => {
            tracing::debug!(%peer, "far: its multicast is heard no longer")
        }
        gm_broadcast::BroadcastEvent::Unopened(unopened) => {
            tracing::warn!("{}", problem_texts::unopened_text(unopened))
        }
        gm_broadcast::BroadcastEvent::DatagramReachability { node, lost: true } => tracing::warn!(
            peer = %node,
            "datagrams between this node and the peer are lost, and connections are used instead: let UDP through the firewalls between them, on the ports of both"
        ),
        gm_broadcast::BroadcastEvent::DatagramReachability { node, lost: false } => {
            tracing::info!(peer = %node, "datagrams between this node and the peer work again");
        }
        gm_broadcast::BroadcastEvent::Stalled(peer) => tracing::warn!(
            %peer,
            "a transfer stalled while small packets arrive: the path to the peer swallows large packets. Smaller segments are used from now on; mend the path's MTU"
        ),
        gm_broadcast::BroadcastEvent::SeedTrouble { node, why } => {
            tracing::warn!(seed = %node, "a seed is not reached: {}. It is called again, for ever", problem_texts::seed_problem(*why));
        }
        gm_broadcast::BroadcastEvent::SeedReached(seed) => tracing::info!(%seed, "the seed is reached"),
        other => tracing::trace!("{other:?}"),
    }
}
