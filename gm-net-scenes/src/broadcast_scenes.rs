//! Scenes of the broadcast alone, on faulty networks. A scene returns an error if an expectation
//! does not hold.

mod faults;
mod islands;
mod outside;

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::chat_process::ChatProcess;
use crate::namespaces::{self, Host};
use crate::runner::Load::{self, Alone, Shared};
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

type BroadcastCluster = namespaces::Cluster<ChatProcess>;
type Scene = fn(&mut BroadcastCluster) -> Result<()>;

/// The scenes by name, with what each needs of the machine.
pub(crate) const SCENES: &[(&str, Load, Scene)] = &[
    ("one multicast serves an island", Shared, islands::one_multicast),
    ("two islands learn each other", Shared, islands::two_islands),
    ("25 % loss", Shared, faults::loss),
    ("a relay killed in mid-broadcast", Shared, faults::relay_killed),
    ("a node stopped (SIGSTOP)", Shared, faults::stopped),
    ("a black-holed peer does not delay others", Alone, faults::black_hole),
    ("partition and heal", Shared, islands::partition),
    ("a bridge that drops multicast", Shared, outside::bridge_without_multicast),
    ("an outsider floods and replays", Alone, outside::flood),
];

impl BroadcastCluster {
    /// Starts a node with these flags on each host. The seed of the first is the node `seed`, if
    /// given; the seed of the others is the first.
    fn start_all(&mut self, hosts: &[Host], seed: Option<usize>, flags: &[&str]) -> Result<Vec<usize>> {
        let mut started = Vec::new();
        for host in hosts {
            let seed = started.first().copied().or(seed);
            let seed = seed.and_then(|seed: usize| self.nodes.get(seed)).map(|node| node.me.clone());
            let mut flags = flags.to_vec();
            if let Some(seed) = &seed {
                flags.extend(["--seed", seed]);
            }
            started.push(self.start(host, &flags)?);
        }
        Ok(started)
    }

    /// Waits until each of these nodes lists `count` others.
    fn wait_list(&mut self, question: &str, of: &[usize], count: usize) -> Result<()> {
        for number in of {
            let node = self.nodes.get_mut(*number).context("no such node")?;
            let what = format!("{} to list {count} others at {question}", node.me);
            wait_for(&what, DEFAULT_TIMEOUT, || Ok(node.query_list(question)?.len() >= count))?;
        }
        Ok(())
    }

    /// Starts a node on a host. Returns its index in `nodes`.
    fn start(&mut self, host: &Host, flags: &[&str]) -> Result<usize> {
        let node = ChatProcess::start(&self.program, &self.key, host, flags)?;
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// Broadcasts a line from a node. Returns the time of the broadcast.
    fn broadcast(&mut self, number: usize, line: &str) -> Result<Instant> {
        let now = Instant::now();
        self.nodes.get_mut(number).context("no such node")?.send_line(line)?;
        Ok(now)
    }

    /// Waits until these nodes have received a text. Returns the time from `since` until the last
    /// of them received it.
    fn wait_received(&self, text: &str, by: &[usize], since: Instant, within: Duration) -> Result<Duration> {
        let mut last = since;
        for number in by {
            let node = self.nodes.get(*number).context("no such node")?;
            wait_for(&format!("{} to receive `{text}`", node.me), within, || {
                Ok(node.received_at(text).is_some())
            })?;
            last = node.received_at(text).map_or(last, |at| at.max(last));
        }
        Ok(last.saturating_duration_since(since))
    }

    /// The sum of a counter over these nodes.
    fn sum(&mut self, of: &[usize], name: &str) -> Result<u64> {
        let mut sum = 0;
        for number in of {
            sum += self.nodes.get_mut(*number).context("no such node")?.count(name)?;
        }
        Ok(sum)
    }
}

/// The list without one number.
fn others(all: &[usize], but: usize) -> Vec<usize> {
    all.iter().copied().filter(|number| *number != but).collect()
}
