//! The shutdown of the daemon, in order: it finishes the writes in progress, leaves all groups if that is configured, stops the node, and delivers the last
//! answers. Every step has a time limit.

use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_data::GroupName;
use gm_node::service::Service;
use gm_node::{End, Wait, Waited};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::routes::{App, serve};
use super::socket::Control;

/// How long writes in progress may take before their waits are cut off...
const FINISHING: Duration = Duration::from_secs(2);
/// ... and how long they may take after that; also how long clients may take to read the last answers.
const ANSWERING: Duration = Duration::from_secs(1);
/// How long the daemon accepts connections that clients opened before it removed the socket.
const LAST: Duration = Duration::from_millis(50);
/// How long leaving all groups may take.
const LEAVING: Duration = Duration::from_secs(3);
/// How long the node may take to stop.
const STOPPING: Duration = Duration::from_secs(10);

/// The task that answers the control socket.
#[derive(Debug)]
pub(super) struct Answering {
    control: Control,
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl Answering {
    /// Starts to answer requests.
    pub(super) fn start(mut control: Control, app: &Arc<App>) -> Option<Answering> {
        let listener = control.take()?;
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(serve(listener, Arc::clone(app), ended));
        Some(Answering { control, task, end })
    }

    /// Removes the socket, and returns when all requests that came before are answered.
    async fn end(mut self) {
        drop(self.control);
        sleep(LAST).await;
        drop(self.end);
        if timeout(ANSWERING, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Runs the shutdown.
pub(super) async fn end(app: &App, service: &Service, answering: Option<Answering>, leave: bool) {
    finish(app, service).await;
    if leave {
        tracing::info!("leaving all groups, as `leave-on-exit` says");
        leave_all(service).await;
    } else {
        tracing::info!("others keep this node as a member");
    }
    if timeout(STOPPING, service.stop()).await.is_err() {
        tracing::warn!("the storage takes long to close: the process ends when it has");
    }
    // The node has ended, so writes without an answer get one now: it is not known whether they stand.
    if let Some(answering) = answering {
        answering.end().await;
    }
}

/// Refuses new writes, and gives those in progress time to be answered. Reads are answered until the node has stopped.
async fn finish(app: &App, service: &Service) {
    app.gate.close();
    if timeout(FINISHING, app.gate.is_empty()).await.is_err() && service.end_waits().await.is_ok() {
        // Writes that have no answer by then wait for the storage, which closes next.
        let _ = timeout(ANSWERING, app.gate.is_empty()).await;
    }
}

async fn leave_all(service: &Service) {
    let Ok(groups) = service.my_groups().await else { return };
    let leaving = groups.into_iter().map(|group| {
        let service = service.clone();
        tokio::spawn(async move {
            // Where a peer was asked and nobody else is known, there is nobody to wait for.
            let nobody = matches!(
                service.view_with_freshness(&group).await,
                Ok(Some((view, freshness))) if freshness.is_verified() && view.member_count() <= 1
            );
            let wait = if nobody { Wait::NONE } else { Wait::all(LEAVING) };
            match service.leave(&group, wait).await {
                Ok(written) => left(service.my_id(), &group, &written.waited),
                Err(error) => tracing::error!(%group, "not left: {error}"),
            }
        })
    });
    for left in leaving.collect::<Vec<_>>() {
        // A task that panicked has printed it.
        if timeout(LEAVING * 2, left).await.is_err() {
            tracing::error!("a group is not left: the storage takes too long");
        }
    }
}

/// Logs whether the other members acknowledged a leave.
fn left(me: NetId, group: &GroupName, waited: &Waited) {
    let Waited { members, delivered: heard, refused, unreachable, unknown, .. } = *waited;
    let others = members.max(heard + refused + unreachable + unknown);
    if others == 0 {
        tracing::info!(%group, "left; no other member was known");
    } else if waited.end == End::Satisfied {
        tracing::debug!(%group, heard, "left");
    } else {
        tracing::warn!(
            %group, heard, others,
            "left, but only {heard} of {others} other members acknowledged it. Those pass it on; if there are none, the others keep this node as a member: run `gm-node forget {me} --group {group}` on one of them, or start this node again for a while"
        );
    }
}
