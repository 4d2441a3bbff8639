//! Seeds: names are resolved again and again, for ever, and what they mean is handed to the machine, which calls it for ever.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use gm_clock::NetId;
use tokio::sync::mpsc;

use super::link::Piece;
use super::meter::Meter;
use super::settings::Seed;
use crate::chance::Chance;

/// About how often a name is resolved that could be.
const AGAIN: Duration = Duration::from_secs(30);
/// How long after a failure it is tried again, about, doubled each time...
const FIRST: Duration = Duration::from_millis(500);
/// ... up to this.
const LONGEST: Duration = Duration::from_secs(60);
/// Addresses of one name that are handed on, at most, in all its life: what a name means may change for ever.
const MOST: usize = 256;

/// Finds out what one seed means, until the driver ends.
pub(super) async fn resolve(
    seed: Seed,
    me: NetId,
    mut chance: Chance,
    pieces: mpsc::Sender<Piece>,
    meter: Meter,
) {
    let mut known: BTreeSet<NetId> = BTreeSet::new();
    let mut pause = FIRST;
    loop {
        let wait = match addresses(&seed).await {
            Ok(found) => {
                pause = FIRST;
                let new: Vec<NetId> =
                    usable(&found, me, &meter).filter(|node| !known.contains(node)).collect();
                known.extend(&new);
                if !new.is_empty() && (pieces.send(Piece::Seeds(new)).await.is_err() || known.len() > MOST) {
                    return;
                }
                if matches!(seed, Seed::Address(_)) {
                    return;
                }
                AGAIN
            }
            Err(error) => {
                meter.count("seed", "not resolved");
                tracing::debug!("the seed {seed} is not resolved: {error}");
                let wait = pause;
                pause = (pause * 2).min(LONGEST);
                wait
            }
        };
        tokio::time::sleep(wait / 2 + chance.within(wait)).await;
        if pieces.is_closed() {
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
fn usable<'a>(found: &'a [SocketAddr], me: NetId, meter: &'a Meter) -> impl Iterator<Item = NetId> + 'a {
    found.iter().filter_map(move |address| {
        let node = NetId::try_from(*address).ok();
        if node.is_none() {
            meter.count("seed", "no address of a node");
        }
        let node = node.filter(|node| *node != me)?;
        if me.ip().is_loopback() && !node.ip().is_loopback() {
            meter.count("seed", "elsewhere, and our address is not reached from there");
            tracing::warn!(
                "`address` {me} is reached from this machine alone, and the seed {node} is elsewhere"
            );
            return None;
        }
        Some(node)
    })
}
