//! Seeds: names are resolved again and again, for ever, and what they mean is handed to the
//! machine, which calls it for ever.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gm_clock::NetId;
use tokio::sync::mpsc;

use super::connection::ConnectionEvent;
use super::settings::Seed;
use super::stats::RuntimeStats;
use crate::counter::Counter;
use crate::rng::Rng;

/// About how often a name is resolved that could be.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);
/// How long after a failure it is tried again, about, doubled each time...
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// ... up to this.
const MAX_RETRY: Duration = Duration::from_secs(60);
/// Seeds, at most: those of the settings and those that were added later.
const MAX_SEEDS: usize = 1_024;
/// Addresses of one name that are handed on, at most, in all its life: what a name means may change
/// for ever.
const MAX_ADDRESSES: usize = 256;

/// What became of the address or the name of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedResolution {
    /// It is being looked up for the first time.
    Pending,
    /// It means these nodes.
    Nodes(Vec<NetId>),
    /// It means this node itself, and nothing else.
    Ourselves,
    /// It means no address that can be a node's, or none that can call us back.
    NoUsableAddress,
    /// It could not be looked up; it is tried again. What the system said.
    Failed(String),
}

/// A seed as it was configured, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedState {
    /// The seed.
    pub seed: Seed,
    /// What its address or name means now.
    pub resolution: SeedResolution,
}

/// The states of all seeds, shared by the tasks that resolve them and whoever asks.
#[derive(Clone, Debug, Default)]
pub(super) struct SeedStates(Arc<Mutex<Vec<SeedState>>>);

impl SeedStates {
    /// All, in the order in which they were configured.
    pub(super) fn read(&self) -> Vec<SeedState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// One more; false if it is there already, or there are as many as may be.
    pub(super) fn add(&self, seed: &Seed) -> bool {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= MAX_SEEDS || states.iter().any(|state| state.seed == *seed) {
            return false;
        }
        states.push(SeedState { seed: seed.clone(), resolution: SeedResolution::Pending });
        true
    }

    /// Notes what became of a seed; returns what was known before.
    fn set(&self, seed: &Seed, resolution: SeedResolution) -> SeedResolution {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.iter_mut().find(|state| state.seed == *seed);
        state.map_or(SeedResolution::Pending, |state| std::mem::replace(&mut state.resolution, resolution))
    }
}

/// Finds out what one seed means, until the driver ends.
pub(super) async fn resolve(
    seed: Seed,
    me: NetId,
    mut rng: Rng,
    (events, states, stats): (mpsc::Sender<ConnectionEvent>, SeedStates, RuntimeStats),
) {
    let mut known: BTreeSet<NetId> = BTreeSet::new();
    let mut pause = FIRST_RETRY;
    loop {
        let wait = match addresses(&seed).await {
            Ok(found) => {
                pause = FIRST_RETRY;
                let nodes: Vec<NetId> = usable(&found, me, &stats).collect();
                let ourselves = found.iter().any(|address| *address == me.socket_addr());
                let resolution = match (nodes.is_empty(), ourselves) {
                    (false, _) => SeedResolution::Nodes(nodes.clone()),
                    (true, true) => SeedResolution::Ourselves,
                    (true, false) => SeedResolution::NoUsableAddress,
                };
                let failed_before = matches!(states.set(&seed, resolution), SeedResolution::Failed(_));
                if failed_before {
                    tracing::info!("the name of the seed {seed} resolves now");
                }
                let new: Vec<NetId> = nodes.into_iter().filter(|node| !known.contains(node)).collect();
                known.extend(&new);
                if !new.is_empty()
                    && (events.send(ConnectionEvent::Seeds(new)).await.is_err()
                        || known.len() > MAX_ADDRESSES)
                {
                    return;
                }
                if matches!(seed, Seed::Address(_)) {
                    return;
                }
                RESOLVE_INTERVAL
            }
            Err(error) => {
                stats.count(Counter::SeedResolutionFailures);
                let before = states.set(&seed, SeedResolution::Failed(error.to_string()));
                if !matches!(before, SeedResolution::Failed(_)) {
                    tracing::warn!(
                        "the name of the seed {seed} does not resolve: {error}. It is tried again; is the name right, and does this machine's resolver know it?"
                    );
                }
                let wait = pause;
                pause = (pause * 2).min(MAX_RETRY);
                wait
            }
        };
        tokio::time::sleep(wait / 2 + rng.duration_up_to(wait)).await;
        if events.is_closed() {
            return;
        }
    }
}

async fn addresses(seed: &Seed) -> std::io::Result<Vec<SocketAddr>> {
    match seed {
        Seed::Address(address) => Ok(vec![*address]),
        Seed::Name { host, port } => Ok(tokio::net::lookup_host((host.as_str(), *port)).await?.collect()),
    }
}

/// Those that can be nodes other than ourselves, and could call us back.
fn usable<'a>(
    found: &'a [SocketAddr],
    me: NetId,
    stats: &'a RuntimeStats,
) -> impl Iterator<Item = NetId> + 'a {
    found.iter().filter_map(move |address| {
        let node = NetId::try_from(*address).ok();
        if node.is_none() {
            stats.count(Counter::SeedAddressesInvalid);
        }
        let node = node.filter(|node| *node != me)?;
        if me.ip().is_loopback() && !node.ip().is_loopback() {
            stats.count(Counter::SeedAddressesUnreachable);
            tracing::warn!(
                "`address` {me} is reached from this machine alone, and the seed {node} is elsewhere"
            );
            return None;
        }
        Some(node)
    })
}
