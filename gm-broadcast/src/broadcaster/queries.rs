//! Queries: which nodes a broadcaster knows.

use gm_clock::NetId;

use super::Broadcaster;
use crate::peers::Peer;

impl<D> Broadcaster<D> {
    /// A random known node other than this one, almost uniform; `number` is a random number of the
    /// caller.
    pub fn pick(&self, number: u64) -> Option<NetId> {
        let (directory, peers) = (&self.config.directory, &self.peers);
        let count = directory.len() + peers.len();
        let place = usize::try_from((u128::from(number) * count as u128) >> 64).unwrap_or(0);
        let met =
            |(node, peer): (&NetId, &Peer)| (peer.contacted && *node != self.config.me).then_some(*node);
        match directory.iter().nth(place) {
            Some(known) if known.node != self.config.me => Some(known.node),
            Some(_) => directory.iter().nth(place + 1).map(|known| known.node),
            None => {
                let from = place - directory.len();
                // Nodes that are not known as peers are skipped, from `from` on and then from the
                // start.
                peers.iter().skip(from).find_map(met).or_else(|| peers.iter().find_map(met))
            }
        }
    }

    /// Known nodes outside the directory.
    pub(crate) fn known_nodes(&self) -> impl Iterator<Item = NetId> + '_ {
        self.peers.iter().filter(|(_, peer)| peer.contacted).map(|(node, _)| *node)
    }

    /// The known nodes without this one, sorted.
    pub fn known(&self) -> Vec<NetId> {
        let mut known: Vec<NetId> = self.config.directory.iter().map(|known| known.node).collect();
        known.extend(self.peers.iter().filter(|(_, peer)| peer.contacted).map(|(node, _)| *node));
        known.sort_unstable();
        known.dedup();
        known.retain(|node| *node != self.config.me);
        known
    }

    /// Whether [`known`](Broadcaster::known) lists a node that is not in the directory.
    pub fn is_known(&self, node: NetId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.contacted)
    }
}
