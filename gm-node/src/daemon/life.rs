//! The daemon's life: what it opens, in which order, and what runs until it ends. Knows no protocol and no route.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gm_broadcast::runtime::{RuntimeSettings, Sockets, self_test};
use gm_clock::NetId;
use gm_codec::{FrameCodec, Limits};
use gm_data::{GroupName, GroupState, Record};
use gm_node::service::Service;
use gm_node::store::disk::DiskStore;
use gm_node::store::memory::MemoryStore;
use gm_node::{NodeConfig, Store, StoredState};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::apply::{Configured, apply};
use super::concerns::Concerns;
use super::config::{Effective, FINDS_NOBODY, Sealing, Trouble};
use super::configured::Memory;
use super::ending::{Answering, BOUND, end};
use super::multicast::{self, Multicast};
use super::notify::notify;
use super::reload::{Reading, Told, reload};
use super::routes::App;
use super::signals::{Signalled, Signals};
use super::socket::Control;
use super::{address, exposed, notices};

/// When an operator is told that the data directory takes long.
const SLOW: Duration = Duration::from_secs(10);
/// How long multicast is tested.
const TEST: Duration = Duration::from_secs(2);

fn refused(error: impl std::fmt::Display) -> Trouble {
    Trouble::Refused(error.to_string())
}

/// From the start to the end.
pub(crate) async fn live(mut effective: Effective, mut told: Told) -> Result<ExitCode, Trouble> {
    let begun = Instant::now();
    let mut signals = Signals::new(told.flags.exit_with_stdin, BOUND)?;
    effective.warnings.extend(exposed::warnings(&effective, told.layers.config.as_deref()));
    for warning in &effective.warnings {
        // A node that others call is well with that.
        if warning == FINDS_NOBODY {
            tracing::info!("{warning}");
        } else {
            tracing::warn!("{warning}");
        }
    }
    // The directory's lock first: under it nobody else takes the socket that lies there.
    let (store, stored) = match opened(&effective, &mut signals).await? {
        Opened::All(store, stored) => (store, stored),
        Opened::Told(name) => {
            tracing::info!("{name}: ended before it began");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let control = match &effective.api {
        Some(path) => Some(Control::open(path).await.map_err(Trouble::Refused)?),
        None => None,
    };
    let door = Sockets::open(&effective.shell).map_err(refused)?;
    let codec = codec(&effective)?;
    let (former, moving) = (stored.me, moving(&stored, door.me()));
    let app = App::new(&effective, &door);
    let (group, interface) = (door.group(), door.interface().map(ToOwned::to_owned));
    let (alone, bounds) = (effective.single, effective.limits.bounds);
    let config = NodeConfig { single_node: alone, limits: bounds, ..NodeConfig::of_door(&door) };
    let service = Service::start(config, codec, store, stored, door).map_err(refused)?;
    let me = service.my_id();
    tokio::spawn(notices::log(service.notices()));
    let api = control.as_ref().map(|control| control.path().display().to_string()).unwrap_or_default();
    announce(&effective, me, former, (group, interface.unwrap_or_default(), api));
    if effective.shell.port == 0 {
        let node = me.to_string();
        let line = if told.global.json { serde_json::json!({ "node": node }).to_string() } else { node };
        // Nobody need read it: the log says it too.
        let _ = super::data::print(&format!("{line}\n"));
    }
    let app = Arc::new(app.with(service.clone()));
    let answering = control.and_then(|control| Answering::start(control, &app));
    tokio::spawn(test(effective.shell.clone(), Arc::clone(&app)));
    tokio::spawn(address::watch(address::needed(me.ip(), effective.shell.bind), Arc::clone(&app)));
    let configured = Configured {
        joins: effective.joins.clone(),
        serves: effective.serves.clone(),
        memory: effective.data_dir.as_deref().map(Memory::of),
        keep: effective.keep_configured,
        moving,
    };
    let applying = tokio::spawn(apply(service.clone(), configured));
    notify(&format!("READY=1\nSTATUS={me} in cluster {}\n", effective.cluster));
    tracing::debug!(micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX), "ready");

    let ended = until_told(&mut signals, &mut told, &mut effective, &service, &app.concerns).await;
    notify("STOPPING=1\n");
    applying.abort();
    let Some(name) = ended else {
        let why = "the node ended by itself: this is a bug of the program, see the log";
        return Err(Trouble::Refused(why.to_owned()));
    };
    tracing::info!("{name}: ending");
    end(&app, &service, answering, effective.leave_on_exit).await?;
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

/// Reloads as often as it is told to, and returns what ends the daemon; nothing if the node has ended by itself.
async fn until_told(
    signals: &mut Signals,
    told: &mut Told,
    effective: &mut Effective,
    service: &Service,
    concerns: &Concerns,
) -> Option<&'static str> {
    let mut reading = Reading::default();
    loop {
        tokio::select! {
            what = signals.next() => match what {
                Signalled::End(name) => return Some(name),
                Signalled::Reload => reading.begin(told),
            },
            read = reading.next(told) => reload(told, effective, service, concerns, read).await,
            () = service.ended() => return None,
        }
    }
}

/// Logs that the node has started, and under which settings that are not obvious.
fn announce(
    effective: &Effective,
    me: NetId,
    former: Option<NetId>,
    (group, interface, api): (Option<SocketAddr>, String, String),
) {
    let keys = effective.sealing.ids();
    tracing::info!(
        node = %me,
        cluster = %effective.cluster,
        key = keys.as_ref().map_or_else(|| "none: nothing is sealed".to_owned(), |keys| keys.sealing.clone()),
        other_keys = keys.map(|keys| keys.others.join(", ")).unwrap_or_default(),
        multicast = group.map_or_else(|| "off".to_owned(), |group| group.to_string()),
        interface,
        api,
        "started"
    );
    if let Some(former) = former.filter(|former| *former != me) {
        tracing::warn!(
            "the data directory was {former}'s: {me} says from now on what that one said of itself, and {former} leaves"
        );
    }
}

/// What came of opening the storage.
enum Opened {
    All(Box<dyn Store + Send>, StoredState),
    /// The daemon was told to end first, by this.
    Told(&'static str),
}

/// Opens the storage beside the runtime: a directory that does not answer holds up the start, and not the end.
async fn opened(effective: &Effective, signals: &mut Signals) -> Result<Opened, Trouble> {
    let Some(dir) = effective.data_dir.clone() else {
        return Ok(Opened::All(Box::new(MemoryStore::ephemeral()), StoredState::default()));
    };
    let shown = dir.display().to_string();
    let mut opening = spawn_blocking(move || DiskStore::open(&dir));
    let mut is_told = false;
    loop {
        tokio::select! {
            done = &mut opening => {
                let (store, stored) = done.map_err(refused)?.map_err(refused)?;
                return Ok(Opened::All(Box::new(store), stored));
            }
            signalled = signals.next() => match signalled {
                Signalled::End(name) => return Ok(Opened::Told(name)),
                // What is read at the start is no older.
                Signalled::Reload => {}
            },
            () = sleep(SLOW), if !is_told => {
                is_told = true;
                tracing::warn!("the data directory {shown} takes long to open, and is waited for: is it a mount whose server is gone?");
            }
        }
    }
}

/// The groups in which the node's record moves here from its former address.
fn moving(stored: &StoredState, me: NetId) -> BTreeSet<GroupName> {
    let Some(former) = stored.me.filter(|former| *former != me) else { return BTreeSet::new() };
    let is_member = |message: &&GroupState| message.record(former).is_some_and(Record::is_member);
    stored.groups.iter().filter(is_member).map(|message| message.name().clone()).collect()
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
async fn test(settings: RuntimeSettings, app: Arc<App>) {
    match self_test(&settings, TEST).await {
        Ok(Some(found)) => app.set_multicast(multicast::log(&found)),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!("multicast is not tested: {error}");
            app.set_multicast(Multicast::NotTested(error.to_string()));
        }
    }
}
