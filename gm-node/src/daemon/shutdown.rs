//! The shutdown of the daemon, in order: it finishes the writes in progress, leaves all groups if
//! that is configured, stops the node, and delivers the last answers. Every step has a time limit,
//! and all of them together [`BOUND`], after which the process ends whatever hangs: see
//! `signals.rs`.

use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_data::GroupName;
use gm_node::handle::Node;
use gm_node::{Wait, WaitOutcome, WaitReport};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::config::DaemonError;
use super::routes::{App, serve};
use super::socket::ControlSocket;

/// How long the whole shutdown may take: more than all its steps together.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);
/// How long writes in progress may take before their waits are cut off...
const WRITES_TIMEOUT: Duration = Duration::from_secs(2);
/// ... and how long they may take after that; also how long clients may take to read the last
/// answers.
const ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);
/// How long the daemon accepts connections that clients opened before it removed the socket.
const LAST_CONNECTIONS: Duration = Duration::from_millis(50);
/// How long leaving all groups may take.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// How long the node may take to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// The task that answers the control socket.
#[derive(Debug)]
pub(super) struct ApiServer {
    control: ControlSocket,
    task: JoinHandle<()>,
    end: oneshot::Sender<()>,
}

impl ApiServer {
    /// Starts to answer requests.
    pub(super) fn start(mut control: ControlSocket, app: &Arc<App>) -> Option<ApiServer> {
        let listener = control.take_listener()?;
        let (end, ended) = oneshot::channel();
        let task = tokio::spawn(serve(listener, Arc::clone(app), ended));
        Some(ApiServer { control, task, end })
    }

    /// Removes the socket, and returns when all requests that came before are answered.
    async fn stop(mut self) {
        drop(self.control);
        sleep(LAST_CONNECTIONS).await;
        drop(self.end);
        if timeout(ANSWERS_TIMEOUT, &mut self.task).await.is_err() {
            self.task.abort();
        }
    }
}

/// Runs the shutdown.
///
/// # Errors
/// The storage did not close in time.
pub(super) async fn shut_down(
    app: &App,
    service: &Node,
    answering: Option<ApiServer>,
    leave: bool,
) -> Result<(), DaemonError> {
    shut_down_within(app, service, answering, leave, STOP_TIMEOUT).await
}

async fn shut_down_within(
    app: &App,
    service: &Node,
    answering: Option<ApiServer>,
    leave: bool,
    stopping: Duration,
) -> Result<(), DaemonError> {
    finish_writes(app, service).await;
    if leave {
        tracing::info!("leaving all groups, as `leave-on-exit` says");
        leave_all(service).await;
    } else {
        tracing::info!("others keep this node as a member");
    }
    let stopped = timeout(stopping, service.stop()).await;
    // The node has ended, so writes without an answer get one now: it is not known whether they
    // stand.
    if let Some(answering) = answering {
        answering.stop().await;
    }
    stopped.map_err(|_| {
        let seconds = stopping.as_secs_f64();
        DaemonError::Refused(format!(
            "the storage did not close within {seconds} s, and the process ends without it: writes that were not answered may stand or not. Look at the disk, or at the mount of the data directory"
        ))
    })
}

/// Refuses new writes, and gives those in progress time to be answered. Reads are answered until
/// the node has stopped.
async fn finish_writes(app: &App, service: &Node) {
    app.gate.close();
    if timeout(WRITES_TIMEOUT, app.gate.until_empty()).await.is_err() && service.end_waits().await.is_ok() {
        // Writes that have no answer by then wait for the storage, which closes next.
        let _ = timeout(ANSWERS_TIMEOUT, app.gate.until_empty()).await;
    }
}

async fn leave_all(service: &Node) {
    let Ok(groups) = service.my_groups().await else { return };
    let leaving = groups.into_iter().map(|group| {
        let service = service.clone();
        tokio::spawn(async move {
            // Where a peer was asked and nobody else is known, there is nobody to wait for.
            let nobody = matches!(
                service.view_with_freshness(&group).await,
                Ok(Some((view, freshness))) if freshness.is_verified() && view.member_count() <= 1
            );
            let wait = if nobody { Wait::NONE } else { Wait::all(LEAVE_TIMEOUT) };
            match service.leave(&group, wait).await {
                Ok(written) => log_left(service.my_id(), &group, &written.wait),
                Err(error) => tracing::error!(%group, "not left: {error}"),
            }
        })
    });
    let leaving: Vec<_> = leaving.collect();
    let until = Instant::now() + LEAVE_TIMEOUT * 2;
    for left in leaving {
        // A task that panicked has printed it.
        if timeout_at(until, left).await.is_err() {
            tracing::error!("a group is not left: the storage takes too long");
        }
    }
}

/// Logs whether the other members acknowledged a leave.
fn log_left(me: NetId, group: &GroupName, waited: &WaitReport) {
    let WaitReport { members, acknowledged: heard, refused, unreachable, unanswered: unknown, .. } = *waited;
    let others = members.max(heard + refused + unreachable + unknown);
    if others == 0 {
        tracing::info!(%group, "left; no other member was known");
    } else if waited.outcome == WaitOutcome::Satisfied {
        tracing::debug!(%group, heard, "left");
    } else {
        tracing::warn!(
            %group, heard, others,
            "left, but only {heard} of {others} other members acknowledged it. Those pass it on; if there are none, the others keep this node as a member: run `gm-node forget {me} --group {group}` on one of them, or start this node again for a while"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, channel};

    use clap::Parser;
    use gm_broadcast::Time;
    use gm_broadcast::runtime::Sockets;
    use gm_codec::{FrameCodec, Limits};
    use gm_node::{Batch, NodeConfig, Store, StoreError, StoredState};

    use super::*;
    use crate::Global;
    use crate::daemon::config::{Flags, Layers, ResolvedConfig};

    #[derive(Parser)]
    struct CommandLine {
        #[command(flatten)]
        global: Global,
        #[command(flatten)]
        flags: Flags,
    }

    /// A disk that never finishes anything, not even its end.
    struct HangingStore(Receiver<()>);

    impl Store for HangingStore {
        fn submit(&mut self, _now: Time, _batch: Batch) {}

        fn poll_finished(&mut self, _now: Time) -> Option<Result<(), StoreError>> {
            None
        }

        fn next_poll(&self) -> Option<Time> {
            None
        }
    }

    impl Drop for HangingStore {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    #[test]
    fn a_hanging_disk_does_not_delay_shutdown() {
        let flags = ["run", "--cluster=c", "--insecure-no-encryption", "--no-data-dir", "--port=0"];
        let local = ["--address=127.0.0.1", "--multicast=off"];
        let line = CommandLine::try_parse_from([&flags[..], &local].concat()).unwrap();
        let layers = Layers::gather(&line.global, &line.flags, &[], &mut Vec::new());
        let effective = ResolvedConfig::resolve(&layers, None, Vec::new()).unwrap();
        let (release, released) = channel();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ended = runtime.block_on(async {
            let door = Sockets::open(&effective.sockets).unwrap();
            let codec = FrameCodec::insecure(effective.cluster.clone(), Limits::default()).unwrap();
            let app = App::new(&effective, &door);
            let config = NodeConfig { single_node: true, ..NodeConfig::for_sockets(&door) };
            let store = HangingStore(released);
            let service = Node::start(config, codec, store, StoredState::default(), door).unwrap();
            let writing = service.clone();
            let group: GroupName = "g".parse().unwrap();
            tokio::spawn(async move { writing.join(&group, Vec::new(), Wait::NONE).await });
            shut_down_within(&app.with(service.clone()), &service, None, false, Duration::from_millis(100))
                .await
        });
        let words = ended.unwrap_err().to_string();
        assert!(
            words.contains("did not close within 0.1 s") && words.contains("Look at the disk"),
            "{words}"
        );
        // The runtime is not waited for either.
        runtime.shutdown_timeout(Duration::from_millis(50));
        drop(release);
    }
}
