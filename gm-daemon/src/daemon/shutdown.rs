//! Shutdown of the daemon: it finishes the writes in progress, leaves all groups if that is
//! configured, stops the node, and delivers the last answers. Each step has a time limit, and all
//! of them together have [`SHUTDOWN_TIMEOUT`], after which `signals.rs` ends the process even if a
//! part of it hangs.

use std::sync::Arc;
use std::time::Duration;

use gm_clock::NetId;
use gm_data::GroupName;
use gm_node::Node;
use gm_node::{LeftGroup, WaitFor, WaitOutcome, WaitReport};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::config::DaemonError;
use super::routes::{App, serve};
use super::socket::ControlSocket;

/// Time limit of the whole shutdown: more than all its steps together.
pub(super) const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(25);
/// Time limit of writes in progress, after which their waits end.
const WRITES_TIMEOUT: Duration = Duration::from_secs(2);
/// Time limit for the answers of these writes, and for clients to read the last answers.
const ANSWERS_TIMEOUT: Duration = Duration::from_secs(1);
/// Time during which connections are accepted that clients opened before the socket was removed.
const LAST_CONNECTIONS: Duration = Duration::from_millis(50);
/// Time limit of leaving all groups.
const LEAVE_TIMEOUT: Duration = Duration::from_secs(3);
/// Time limit of stopping the node.
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

    /// Removes the socket, and returns when all earlier requests are answered.
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
    node: &Node,
    server: Option<ApiServer>,
    leave: bool,
) -> Result<(), DaemonError> {
    shut_down_within(app, node, server, leave, STOP_TIMEOUT).await
}

async fn shut_down_within(
    app: &App,
    node: &Node,
    server: Option<ApiServer>,
    leave: bool,
    stopping: Duration,
) -> Result<(), DaemonError> {
    finish_writes(app, node).await;
    if leave {
        tracing::info!("leaving all groups because of `leave-on-exit`");
        leave_all(node).await;
    } else {
        tracing::info!("this node remains a member of its groups");
    }
    let stopped = timeout(stopping, node.stop()).await;
    // The node has ended, so unanswered writes are answered now, as unknown.
    if let Some(server) = server {
        server.stop().await;
    }
    stopped.map_err(|_| {
        let seconds = stopping.as_secs_f64();
        DaemonError::Refused(format!(
            "the storage did not close within {seconds} s, and the process ends anyway: unanswered writes may or may not stand. Check the disk, or the mount of the data directory"
        ))
    })
}

/// Refuses new writes and waits for those in progress. Reads are answered until the node has
/// stopped.
async fn finish_writes(app: &App, node: &Node) {
    app.gate.close();
    if timeout(WRITES_TIMEOUT, app.gate.until_empty()).await.is_err() && node.end_waits().await.is_ok() {
        // Writes without an answer by then wait for the storage, which closes next.
        let _ = timeout(ANSWERS_TIMEOUT, app.gate.until_empty()).await;
    }
}

async fn leave_all(node: &Node) {
    let leaving = node.leave_all().wait(WaitFor::All).timeout(LEAVE_TIMEOUT).into_future();
    match timeout(LEAVE_TIMEOUT * 2, leaving).await {
        Ok(Ok(groups)) => {
            for LeftGroup { group, result } in groups {
                match result {
                    Ok(written) => log_left(node.my_id(), &group, &written.wait),
                    Err(error) => tracing::error!(%group, "cannot leave: {error}"),
                }
            }
        }
        // The node has ended.
        Ok(Err(_)) => {}
        Err(_) => tracing::error!("cannot leave all groups: the storage takes too long"),
    }
}

/// Logs whether the other members acknowledged a leave.
fn log_left(me: NetId, group: &GroupName, waited: &WaitReport) {
    let WaitReport { members, acknowledged, refused, unreachable, unanswered, .. } = *waited;
    let others = members.max(acknowledged + refused + unreachable + unanswered);
    if others == 0 {
        tracing::info!(%group, "left; no other member was known");
    } else if waited.outcome == WaitOutcome::Satisfied {
        tracing::debug!(%group, acknowledged, "left");
    } else {
        tracing::warn!(
            %group, acknowledged, others,
            "left, but only {acknowledged} of {others} other members acknowledged it. These spread it; if there are none, the others keep this node as a member: run `gm-node forget {me} --group {group}` on one of them, or start this node again for a while"
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
    use gm_node::{Batch, NodeConfig, Store, StoreError, StoredState, Wait};

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

    /// A store that never finishes a batch, and hangs when it is dropped.
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
        let settings = ResolvedConfig::resolve(&layers, None, Vec::new()).unwrap();
        let (release, released) = channel();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let ended = runtime.block_on(async {
            let sockets = Sockets::open(&settings.options.sockets).unwrap();
            let codec = FrameCodec::insecure(settings.cluster.clone(), Limits::default()).unwrap();
            let app = App::new(&settings, &sockets);
            let config = NodeConfig { single_node: true, ..NodeConfig::for_sockets(&sockets) };
            let store = HangingStore(released);
            let node = Node::start(config, codec, store, StoredState::default(), sockets).unwrap();
            let writing = node.clone();
            let group: GroupName = "g".parse().unwrap();
            tokio::spawn(async move { writing.join(&group, Vec::new(), Wait::NONE).await });
            shut_down_within(&app.with(node.clone()), &node, None, false, Duration::from_millis(100)).await
        });
        let words = ended.unwrap_err().to_string();
        assert!(words.contains("did not close within 0.1 s") && words.contains("Check the disk"), "{words}");
        // The runtime must not hang either.
        runtime.shutdown_timeout(Duration::from_millis(50));
        drop(release);
    }
}
