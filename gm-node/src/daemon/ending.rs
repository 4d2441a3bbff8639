//! The end of the daemon, in its order: writes that are under way are finished, groups are left if that is wanted, the node stops, and the last answers
//! are read. Every step has a bound. Knows nothing of why the daemon ends.

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

/// How long writes that are under way may take before their waits are cut off...
const FINISHING: Duration = Duration::from_secs(2);
/// ... and how long they may take then, and how long the last answers may take to be read.
const ANSWERING: Duration = Duration::from_secs(1);
/// How long connections are taken that were made before the socket was gone.
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
    /// Answers whoever connects.
    pub(super) fn start(mut control: Control, app: &Arc<App>) -> Option<Answering> {
        let listener = control.take()?;
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(serve(listener, Arc::clone(app), ended));
        Some(Answering { control, task, end })
    }

    /// Takes the socket away, and returns when all who came before are answered.
    async fn end(mut self) {
        drop(self.control);
        sleep(LAST).await;
        drop(self.end);
        if timeout(ANSWERING, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Ends everything.
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
    // Writes that are still not answered are now: it is not known whether they stand.
    if let Some(answering) = answering {
        answering.end().await;
    }
}

/// Lets no more writes in, and gives those that are under way a while to be answered. Reads are answered until the node has stopped.
async fn finish(app: &App, service: &Service) {
    app.gate.close();
    if timeout(FINISHING, app.gate.is_empty()).await.is_err() && service.end_waits().await.is_ok() {
        // What is not answered by then waits for the storage, which closes next.
        let _ = timeout(ANSWERING, app.gate.is_empty()).await;
    }
}

async fn leave_all(service: &Service) {
    let Ok(groups) = service.my_groups().await else { return };
    let leaving = groups.into_iter().map(|group| {
        let service = service.clone();
        tokio::spawn(async move {
            match service.leave(&group, Wait::all(LEAVING)).await {
                Ok(written) => left(service.my_id(), &group, &written.waited),
                Err(error) => tracing::error!(%group, "not left: {error}"),
            }
        })
    });
    for left in leaving.collect::<Vec<_>>() {
        // What panicked has said so.
        if timeout(LEAVING * 2, left).await.is_err() {
            tracing::error!("a group is not left: the storage takes too long");
        }
    }
}

/// Says whether the other members know it.
fn left(me: NetId, group: &GroupName, waited: &Waited) {
    let Waited { members, delivered: heard, refused, unreachable, unknown, .. } = *waited;
    let others = members.max(heard + refused + unreachable + unknown);
    if waited.end == End::Satisfied {
        tracing::debug!(%group, heard, "left");
    } else if others == 0 {
        tracing::info!(%group, "left, and no other member was known that should hear it");
    } else {
        tracing::warn!(
            %group, heard, others,
            "left, and {heard} of {others} other members heard it: the rest learn it from those, and if nobody heard it they keep this node as a member. Then `gm-node forget {me} --group {group}` on one of them, or start this node again for a while"
        );
    }
}
