//! Resolution of seeds: resolves their names periodically, and passes new addresses to the machine.

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

/// Interval of resolution after a success, randomized by half.
const RESOLVE_INTERVAL: Duration = Duration::from_secs(30);
/// Delay after a failure, randomized by half and doubled each time...
const FIRST_RETRY: Duration = Duration::from_millis(500);
/// ... up to this.
const MAX_RETRY: Duration = Duration::from_secs(60);
/// Greatest number of seeds, of the settings and added later.
const MAX_SEEDS: usize = 1_024;
/// Greatest number of addresses of one name that are passed on in all: the addresses of a name may
/// change without end.
const MAX_ADDRESSES: usize = 256;

/// Result of the resolution of a seed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SeedResolution {
    /// The first lookup is under way.
    Pending,
    /// It resolves to these nodes.
    Nodes(Vec<NetId>),
    /// It resolves to this node only.
    Ourselves,
    /// It resolves to no address of a node that could connect back.
    NoUsableAddress,
    /// The lookup failed, with this error of the system; it is repeated.
    Failed(String),
}

/// A configured seed and its resolution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeedState {
    /// The seed.
    pub seed: Seed,
    /// The last result.
    pub resolution: SeedResolution,
}

/// The states of all seeds, shared by the tasks that resolve them and the handle.
#[derive(Clone, Debug, Default)]
pub(super) struct SeedStates(Arc<Mutex<Vec<SeedState>>>);

impl SeedStates {
    /// The states, in the order of configuration.
    pub(super) fn read(&self) -> Vec<SeedState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Adds a seed; false if it exists already, or the limit is reached.
    pub(super) fn add(&self, seed: &Seed) -> bool {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if states.len() >= MAX_SEEDS || states.iter().any(|state| state.seed == *seed) {
            return false;
        }
        states.push(SeedState { seed: seed.clone(), resolution: SeedResolution::Pending });
        true
    }

    /// Records a result; returns the one before.
    fn set(&self, seed: &Seed, resolution: SeedResolution) -> SeedResolution {
        let mut states = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let state = states.iter_mut().find(|state| state.seed == *seed);
        state.map_or(SeedResolution::Pending, |state| std::mem::replace(&mut state.resolution, resolution))
    }
}

/// Resolves one seed until the driver ends.
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
                    tracing::info!("the seed {seed} resolves again");
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
                        "the seed {seed} does not resolve: {error}; retrying. Check the name and this machine's resolver"
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

/// Addresses that can be those of other nodes which could connect back.
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
                "`address` {me} is reachable from this machine only, and the seed {node} is on another machine"
            );
            return None;
        }
        Some(node)
    })
}
