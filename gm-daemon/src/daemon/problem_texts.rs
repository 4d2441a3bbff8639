//! Texts of network problems, for the log and for `status`: the observation, its likely cause, and
//! the remedy.

use gm_broadcast::{SeedTrouble, Unopened, UnopenedCause};

/// Text for frames that do not open.
pub(crate) fn unopened_text(unopened: &Unopened) -> String {
    let from = unopened.from;
    match unopened.cause {
        UnopenedCause::OtherKey { key_id } => format!(
            "frames from {from} do not open: they are sealed with another key (its id is {key_id:#04x}). If it should be a node of this cluster, give it a copy of the same `key-file`; if it belongs to another cluster, give that one another `multicast` group or other seeds"
        ),
        UnopenedCause::OtherCluster => format!(
            "frames from {from} do not open: it probably has another cluster name (`cluster`), or another key with the same id. If it should be a node of this cluster, compare `gm-node status` on both; if not, give the other cluster another `multicast` group or other seeds"
        ),
        UnopenedCause::NotSealed => format!(
            "frames from {from} are not sealed, and this node accepts only sealed ones: that node runs with `insecure-no-encryption`. Give it this cluster's `key-file`"
        ),
        UnopenedCause::Sealed { key_id } => format!(
            "frames from {from} are sealed (key id {key_id:#04x}), and this node has no key: it runs with `insecure-no-encryption`. Give this node the cluster's `key-file`"
        ),
        UnopenedCause::ClosedBeforeFirstFrame => format!(
            "{from} accepts connections and ends them before it sends a frame: it probably has another key or another cluster name, or is no gm-node. Compare `gm-node status` on both"
        ),
    }
}

/// Text for a seed that is not reached.
pub(crate) fn seed_problem(why: SeedTrouble) -> &'static str {
    match why {
        SeedTrouble::Refused => {
            "it refuses connections: no node runs there, it has another port, or a firewall rejects them"
        }
        SeedTrouble::Unreachable => {
            "it does not answer: the host is down, the address is wrong, or a firewall drops packets"
        }
        SeedTrouble::ClosesBeforeFirstFrame => {
            "it accepts connections and ends them before it sends a frame: it probably has another key or another cluster name"
        }
    }
}
