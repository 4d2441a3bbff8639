//! The daemon's life: what it opens, in which order, what runs, and how it ends. Knows no protocol and no route.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gm_broadcast::shell::{Door, Settings, self_test};
use gm_codec::{FrameCodec, Limits};
use gm_node::service::Service;
use gm_node::store::disk::DiskStore;
use gm_node::store::memory::MemoryStore;
use gm_node::{Config, Store, Stored, Wait};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

use super::config::{Effective, FINDS_NOBODY, Sealing, Trouble};
use super::multicast::{self, Multicast};
use super::notify::notify;
use super::reload::{Told, reload};
use super::routes::{App, serve};
use super::socket::Control;
use super::{apply, notices, stdin};

/// How long multicast is tested.
const TEST: Duration = Duration::from_secs(2);
/// How long leaving all groups at the end may take, and stopping.
const LEAVING: Duration = Duration::from_secs(3);
const STOPPING: Duration = Duration::from_secs(10);

fn refused(error: impl std::fmt::Display) -> Trouble {
    Trouble::Refused(error.to_string())
}

/// From the start to the end.
pub(crate) async fn live(mut effective: Effective, mut told: Told) -> Result<ExitCode, Trouble> {
    let begun = Instant::now();
    let mut signals = Signals::new(told.flags.exit_with_stdin)?;
    for warning in &effective.warnings {
        // A node that others call is well with that.
        if warning == FINDS_NOBODY {
            tracing::info!("{warning}");
        } else {
            tracing::warn!("{warning}");
        }
    }
    // The directory's lock first: under it nobody else takes the socket that lies there.
    let (store, stored) = open(&effective)?;
    let mut control = match &effective.api {
        Some(path) => Some(Control::open(path).await.map_err(Trouble::Refused)?),
        None => None,
    };
    let door = Door::open(&effective.shell).map_err(refused)?;
    let codec = codec(&effective)?;
    let former = stored.me;
    let app = App::new(&effective, &door);
    let (group, interface) = (door.group(), door.interface().map(ToOwned::to_owned));
    let config = Config { alone: effective.single, ..Config::of_door(&door) };
    let service = Service::start(config, codec, store, stored, door).map_err(refused)?;
    let me = service.my_id();
    tokio::spawn(notices::log(service.notices()));
    tracing::info!(
        node = %me,
        cluster = %effective.cluster,
        multicast = group.map_or_else(|| "off".to_owned(), |group| group.to_string()),
        interface = interface.unwrap_or_default(),
        api = control.as_ref().map(|control| control.path().display().to_string()).unwrap_or_default(),
        "started"
    );
    if let Some(former) = former.filter(|former| *former != me) {
        tracing::warn!(
            "the data directory was {former}'s: {me} says from now on what that one said of itself, and {former} leaves"
        );
    }
    if effective.shell.port == 0 {
        // Nobody need read it: the log says it too.
        let _ = super::data::print(&format!("{me}\n"));
    }
    let app = Arc::new(app.with(service.clone()));
    let serving = control
        .as_mut()
        .and_then(Control::take)
        .map(|listener| tokio::spawn(serve(listener, Arc::clone(&app))));
    tokio::spawn(test(effective.shell.clone(), Arc::clone(&app)));
    let (joins, serves) = (effective.joins.clone(), effective.serves.clone());
    let applying = tokio::spawn(apply::apply(service.clone(), joins, serves));
    notify(&format!("READY=1\nSTATUS={me} in cluster {}\n", effective.cluster));
    tracing::debug!(micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), "ready");

    let ended = loop {
        tokio::select! {
            what = signals.next() => match what {
                Signalled::End(name) => break Some(name),
                Signalled::Reload => reload(&mut told, &mut effective, &service).await,
            },
            () = service.ended() => break None,
        }
    };
    notify("STOPPING=1\n");
    applying.abort();
    let Some(name) = ended else {
        let why = "the node ended by itself: this is a bug of the program, see the log";
        return Err(Trouble::Refused(why.to_owned()));
    };
    end(name, &effective, &service).await;
    serving.inspect(tokio::task::JoinHandle::abort);
    drop(control);
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

/// Leaves, if that is wanted, and stops the node.
async fn end(name: &str, effective: &Effective, service: &Service) {
    if effective.leave_on_exit {
        tracing::info!("{name}: ending, and leaving all groups, as `leave-on-exit` says");
        leave_all(service).await;
    } else {
        tracing::info!("{name}: ending; others keep this node as a member");
    }
    if tokio::time::timeout(STOPPING, service.stop()).await.is_err() {
        tracing::warn!("the storage takes long to close: the process ends when it has");
    }
}

fn open(effective: &Effective) -> Result<(Box<dyn Store + Send>, Stored), Trouble> {
    match &effective.data_dir {
        None => Ok((Box::new(MemoryStore::throw_away()), Stored::default())),
        Some(dir) => {
            let (store, stored) = DiskStore::open(dir).map_err(refused)?;
            Ok((Box::new(store), stored))
        }
    }
}

fn codec(effective: &Effective) -> Result<FrameCodec, Trouble> {
    let (cluster, limits) = (effective.cluster.clone(), Limits::default());
    match &effective.sealing {
        Sealing::Keys(keyring) => FrameCodec::new(cluster, keyring.clone(), limits),
        Sealing::Insecure => FrameCodec::insecure(cluster, limits),
    }
    .map_err(refused)
}

/// Does multicast work? It is found out beside the running node.
async fn test(settings: Settings, app: Arc<App>) {
    match self_test(&settings, TEST).await {
        Ok(Some(found)) => app.set_multicast(multicast::log(&found)),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!("multicast is not tested: {error}");
            app.set_multicast(Multicast::NotTested(error.to_string()));
        }
    }
}

async fn leave_all(service: &Service) {
    let Ok(groups) = service.my_groups().await else { return };
    let leaving = groups.into_iter().map(|group| {
        let service = service.clone();
        tokio::spawn(async move {
            if let Err(error) = service.leave(&group, Wait::all(LEAVING)).await {
                tracing::error!(%group, "not left: {error}");
            }
        })
    });
    for left in leaving.collect::<Vec<_>>() {
        // What panicked has said so.
        let _ = tokio::time::timeout(LEAVING * 2, left).await;
    }
}

/// What signals mean.
enum Signalled {
    End(&'static str),
    Reload,
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    input: Option<oneshot::Receiver<()>>,
}

impl Signals {
    fn new(with_input: bool) -> Result<Signals, Trouble> {
        let of = |kind| signal(kind).map_err(|error| refused(format!("cannot wait for signals: {error}")));
        Ok(Signals {
            terminate: of(SignalKind::terminate())?,
            interrupt: of(SignalKind::interrupt())?,
            hang_up: of(SignalKind::hangup())?,
            input: stdin::ended(with_input),
        })
    }

    async fn next(&mut self) -> Signalled {
        let input = async {
            match &mut self.input {
                Some(input) => drop(input.await),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = input => Signalled::End("the end of standard input"),
            _ = self.terminate.recv() => Signalled::End("SIGTERM"),
            _ = self.interrupt.recv() => Signalled::End("SIGINT"),
            _ = self.hang_up.recv() => Signalled::Reload,
        }
    }
}
