//! Lifecycle of the daemon: what it opens in which order at the start, and the tasks that run until
//! the shutdown.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gm_broadcast::runtime::{RuntimeSettings, Sockets, self_test};
use gm_clock::NetId;
use gm_codec::{FrameCodec, Limits};
use gm_data::{GroupName, GroupState, Record};
use gm_node::Node;
use gm_node::store::disk::DiskStore;
use gm_node::store::memory::MemoryStore;
use gm_node::{NodeConfig, Store, StoredState};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::config::{DaemonError, Encryption, NO_DISCOVERY, ResolvedConfig};
use super::configured_ranges::ConfiguredFile;
use super::multicast::{self, MulticastState};
use super::notify::notify;
use super::problems::Problems;
use super::reload::{ReloadContext, SettingsReload, reload};
use super::routes::App;
use super::shutdown::{ApiServer, SHUTDOWN_TIMEOUT, shut_down};
use super::signals::{SignalEvent, Signals};
use super::socket::ControlSocket;
use super::startup_groups::{StartupGroups, apply};
use super::{address_check, event_log, permission_warnings};

/// Time after which a slow data directory is logged.
const SLOW_STORAGE: Duration = Duration::from_secs(10);
/// Duration of the multicast test.
const MULTICAST_TEST: Duration = Duration::from_secs(2);

fn refused(error: impl std::fmt::Display) -> DaemonError {
    DaemonError::Refused(error.to_string())
}

/// Runs the daemon from its start to its end.
pub(crate) async fn run_node(
    mut settings: ResolvedConfig,
    mut context: ReloadContext,
) -> Result<ExitCode, DaemonError> {
    let started_at = Instant::now();
    let mut signals = Signals::new(context.flags.exit_with_stdin, SHUTDOWN_TIMEOUT)?;
    settings
        .warnings
        .extend(permission_warnings::permission_warnings(&settings, context.layers.config.as_deref()));
    for warning in &settings.warnings {
        // This is normal for a node that other nodes dial.
        if warning == NO_DISCOVERY {
            tracing::info!("{warning}");
        } else {
            tracing::warn!("{warning}");
        }
    }
    // Lock the directory first: the lock also protects the socket in it.
    let (store, stored) = match open_storage(&settings, &mut signals).await? {
        StorageOpening::Opened(store, stored) => (store, stored),
        StorageOpening::Interrupted(name) => {
            tracing::info!("{name}: ended before the start was complete");
            return Ok(ExitCode::SUCCESS);
        }
    };
    let control = match &settings.api {
        Some(path) => Some(ControlSocket::open(path).await.map_err(DaemonError::Refused)?),
        None => None,
    };
    let sockets = Sockets::open(&settings.options.sockets).map_err(refused)?;
    let codec = codec(&settings)?;
    let (former, moving) = (stored.me, moving_groups(&stored, sockets.me()));
    let app = App::new(&settings, &sockets);
    let (group, interface) = (sockets.group(), sockets.interface().map(ToOwned::to_owned));
    let (single_node, limits) = (settings.options.single, settings.options.limits.node);
    let config = NodeConfig { single_node, limits, ..NodeConfig::for_sockets(&sockets) };
    let node = Node::start(config, codec, store, stored, sockets).map_err(refused)?;
    let me = node.my_id();
    tokio::spawn(event_log::log_events(node.watch_events()));
    let api = control.as_ref().map(|control| control.path().display().to_string()).unwrap_or_default();
    log_start(&settings, me, former, (group, interface.unwrap_or_default(), api));
    if settings.options.sockets.port == 0 {
        let node = me.to_string();
        let line = if context.global.json { serde_json::json!({ "node": node }).to_string() } else { node };
        // A failure does not matter: the address is in the log too.
        let _ = super::offline::print(&format!("{line}\n"));
    }
    let app = Arc::new(app.with(node.clone()));
    let server = control.and_then(|control| ApiServer::start(control, &app));
    tokio::spawn(test_multicast(settings.options.sockets.clone(), Arc::clone(&app)));
    tokio::spawn(address_check::watch(
        address_check::required_addresses(me.ip(), settings.options.sockets.bind),
        Arc::clone(&app),
    ));
    let configured = StartupGroups {
        joins: settings.options.joins.clone(),
        serves: settings.options.serves.clone(),
        file: settings.data_dir.as_deref().map(ConfiguredFile::in_dir),
        keep: settings.options.keep_configured,
        moving_groups: moving,
    };
    let applying = tokio::spawn(apply(node.clone(), configured));
    notify(&format!("READY=1\nSTATUS={me} in cluster {}\n", settings.cluster));
    tracing::debug!(micros = u64::try_from(started_at.elapsed().as_micros()).unwrap_or(u64::MAX), "ready");

    let ended = run_until_signal(&mut signals, &mut context, &mut settings, &node, &app.problems).await;
    notify("STOPPING=1\n");
    applying.abort();
    let Some(name) = ended else {
        let why = "the node ended by itself: this is a bug of the program; see the log";
        return Err(DaemonError::Refused(why.to_owned()));
    };
    tracing::info!("{name}: shutting down");
    shut_down(&app, &node, server, settings.options.leave_on_exit).await?;
    tracing::info!("ended");
    Ok(ExitCode::SUCCESS)
}

/// Handles reloads, and returns the signal that ends the daemon; `None` if the node has ended by
/// itself.
async fn run_until_signal(
    signals: &mut Signals,
    context: &mut ReloadContext,
    settings: &mut ResolvedConfig,
    node: &Node,
    problems: &Problems,
) -> Option<&'static str> {
    let mut reading = SettingsReload::default();
    loop {
        tokio::select! {
            event = signals.next() => match event {
                SignalEvent::End(name) => return Some(name),
                SignalEvent::Reload => reading.begin(context),
            },
            read = reading.next(context) => reload(context, settings, node, problems, read).await,
            () = node.ended() => return None,
        }
    }
}

/// Logs the start, with settings that are not obvious.
fn log_start(
    settings: &ResolvedConfig,
    me: NetId,
    former: Option<NetId>,
    (group, interface, api): (Option<SocketAddr>, String, String),
) {
    let keys = settings.encryption.ids();
    tracing::info!(
        node = %me,
        cluster = %settings.cluster,
        key = keys.as_ref().map_or_else(|| "none: no encryption".to_owned(), |keys| keys.sealing.clone()),
        other_keys = keys.map(|keys| keys.others.join(", ")).unwrap_or_default(),
        multicast = group.map_or_else(|| "off".to_owned(), |group| group.to_string()),
        interface,
        api,
        "started"
    );
    if let Some(former) = former.filter(|former| *former != me) {
        tracing::warn!(
            "address changed from {former} to {me}: taking over its ranges, and {former} leaves its groups"
        );
    }
}

/// Result of opening the storage.
enum StorageOpening {
    Opened(Box<dyn Store + Send>, StoredState),
    /// This signal ended the daemon first.
    Interrupted(&'static str),
}

/// Opens the storage on a thread of its own, so that a directory that does not respond delays the
/// start but not the handling of signals.
async fn open_storage(
    settings: &ResolvedConfig,
    signals: &mut Signals,
) -> Result<StorageOpening, DaemonError> {
    let Some(dir) = settings.data_dir.clone() else {
        return Ok(StorageOpening::Opened(Box::new(MemoryStore::ephemeral()), StoredState::default()));
    };
    let shown = dir.display().to_string();
    let mut opening = spawn_blocking(move || DiskStore::open(&dir));
    let mut is_logged = false;
    loop {
        tokio::select! {
            done = &mut opening => {
                let (store, stored) = done.map_err(refused)?.map_err(refused)?;
                return Ok(StorageOpening::Opened(Box::new(store), stored));
            }
            signalled = signals.next() => match signalled {
                SignalEvent::End(name) => return Ok(StorageOpening::Interrupted(name)),
                // The start reads the settings anyway.
                SignalEvent::Reload => {}
            },
            () = sleep(SLOW_STORAGE), if !is_logged => {
                is_logged = true;
                tracing::warn!("opening the data directory {shown} takes long: is it a mount whose server is gone?");
            }
        }
    }
}

/// Groups in which the node's record moves to this address from a former one.
fn moving_groups(stored: &StoredState, me: NetId) -> BTreeSet<GroupName> {
    let Some(former) = stored.me.filter(|former| *former != me) else { return BTreeSet::new() };
    let is_member = |group: &&GroupState| group.record(former).is_some_and(Record::is_member);
    stored.groups.iter().filter(is_member).map(|group| group.name().clone()).collect()
}

fn codec(settings: &ResolvedConfig) -> Result<FrameCodec, DaemonError> {
    let (cluster, limits) = (settings.cluster.clone(), Limits::default());
    match &settings.encryption {
        Encryption::Keys(keyring) => FrameCodec::new(cluster, keyring.clone(), limits),
        Encryption::Insecure => FrameCodec::insecure(cluster, limits),
    }
    .map_err(refused)
}

/// Tests multicast while the node runs.
async fn test_multicast(settings: RuntimeSettings, app: Arc<App>) {
    match self_test(&settings, MULTICAST_TEST).await {
        Ok(Some(found)) => app.set_multicast(multicast::log_test_result(&found)),
        Ok(None) => {}
        Err(error) => {
            tracing::warn!("multicast cannot be tested: {error}");
            app.set_multicast(MulticastState::NotTested(error.to_string()));
        }
    }
}
