//! Command line of the programs, `--key value`, and the environment of a run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::tracker::Tracker;

/// The flags of a run.
#[derive(Clone)]
pub struct Arguments(BTreeMap<String, String>);

impl Arguments {
    pub fn parse() -> Self {
        let words: Vec<String> = std::env::args().skip(1).collect();
        let pairs = words.chunks_exact(2);
        Self(pairs.map(|pair| (pair[0].trim_start_matches("--").to_owned(), pair[1].clone())).collect())
    }

    /// A text, or its default.
    pub fn text(&self, key: &str, default: &str) -> String {
        self.0.get(key).cloned().unwrap_or_else(|| default.into())
    }

    /// A number, or its default.
    pub fn number(&self, key: &str, default: u64) -> u64 {
        self.0.get(key).map_or(default, |text| text.parse().expect(key))
    }

    /// A duration in milliseconds, or its default.
    pub(crate) fn millis(&self, key: &str, default: u64) -> Duration {
        Duration::from_millis(self.number(key, default))
    }
}

/// Environment of a run, for the peer.
pub struct Env {
    /// Number of nodes.
    pub n: usize,
    /// Configuration of the peer.
    pub cfg: String,
    /// Port of the first node, or of all nodes.
    pub port: u16,
    /// Entries of each node in the big state; 0: no big state.
    pub entries: usize,
    /// Variant of the measurement; see the peers.
    pub mode: String,
    /// Milliseconds within which the nodes start, each at a random time, as on real hosts.
    pub stagger: u64,
    pub tracker: Arc<Tracker>,
}

impl Env {
    pub(crate) fn new(arguments: &Arguments) -> Env {
        let n = arguments.number("n", 8) as usize;
        Env {
            n,
            cfg: arguments.text("cfg", "default"),
            port: arguments.number("port", 20_000) as u16,
            entries: arguments.number("entries", 0) as usize,
            mode: arguments.text("mode", ""),
            stagger: arguments.number("stagger", 0),
            tracker: Tracker::new(n),
        }
    }

    /// Random delay of a node's start.
    pub fn phase(&self) -> Duration {
        Duration::from_millis(if self.stagger == 0 { 0 } else { rand::random::<u64>() % self.stagger })
    }
}
