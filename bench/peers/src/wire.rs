//! Traffic counters of the network namespace: the transmit side of `lo`, in whole IP packets.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

/// Counters of the private loopback of this network namespace.
#[derive(Clone, Copy, Debug, Default)]
pub struct Net {
    pub bytes: u64,
    pub packets: u64,
    /// Datagrams sent.
    pub udp: u64,
    /// Segments sent.
    pub tcp: u64,
    /// Datagrams lost in full socket buffers.
    pub udp_errors: u64,
}

/// Ports of serf's RPC, by which the harness controls the agents.
pub(crate) const RPC_PORTS: &str = "25000-29999";
static RPC_IS_COUNTED: AtomicBool = AtomicBool::new(false);

/// Counts the harness' own RPC traffic with a rule, so that [`Net::read`] subtracts it.
pub fn count_rpc() {
    let script = format!(
        "table inet pbrpc {{\n counter c {{ }}\n chain o {{\n type filter hook output priority 0; policy accept;\n \
         tcp dport {RPC_PORTS} counter name c\n tcp sport {RPC_PORTS} counter name c\n }}\n}}\n"
    );
    let status = Command::new("nft").arg(&script).status().expect("nft");
    assert!(status.success(), "nft refuses the counter");
    RPC_IS_COUNTED.store(true, SeqCst);
}

/// Packets and bytes of the RPC.
fn rpc_traffic() -> (u64, u64) {
    let output = Command::new("nft").args(["list", "counter", "inet", "pbrpc", "c"]).output().expect("nft");
    let listing = String::from_utf8_lossy(&output.stdout).into_owned();
    let words: Vec<&str> = listing.split_whitespace().collect();
    (after(&words, "packets"), after(&words, "bytes"))
}

/// The number after a word; 0 without it.
fn after(words: &[&str], key: &str) -> u64 {
    let at = words.iter().position(|word| *word == key);
    at.and_then(|at| words.get(at + 1)?.parse().ok()).unwrap_or(0)
}

impl Net {
    pub fn read() -> Self {
        let mut net = Self::raw();
        if RPC_IS_COUNTED.load(SeqCst) {
            let (packets, bytes) = rpc_traffic();
            net.bytes = net.bytes.saturating_sub(bytes); // `lo` counts IP bytes, as nft does
            net.packets = net.packets.saturating_sub(packets);
            net.tcp = net.tcp.saturating_sub(packets);
        }
        net
    }

    fn raw() -> Self {
        let mut net = Net::default();
        let devices = std::fs::read_to_string("/proc/self/net/dev").unwrap_or_default();
        for line in devices.lines() {
            if let Some(rest) = line.trim().strip_prefix("lo:") {
                let fields: Vec<u64> =
                    rest.split_whitespace().map(|word| word.parse().unwrap_or(0)).collect();
                // The transmit side, so that each packet is counted once.
                net.bytes = fields[8];
                net.packets = fields[9];
            }
        }
        let protocols = std::fs::read_to_string("/proc/self/net/snmp").unwrap_or_default();
        let lines: Vec<&str> = protocols.lines().collect();
        for pair in lines.chunks_exact(2) {
            let keys: Vec<&str> = pair[0].split_whitespace().collect();
            let values: Vec<&str> = pair[1].split_whitespace().collect();
            let get = |name: &str| {
                let at = keys.iter().position(|key| *key == name);
                at.and_then(|at| values[at].parse::<u64>().ok()).unwrap_or(0)
            };
            match keys[0] {
                "Udp:" => {
                    net.udp = get("OutDatagrams");
                    net.udp_errors = get("RcvbufErrors") + get("SndbufErrors");
                }
                "Tcp:" => net.tcp = get("OutSegs"),
                _ => {}
            }
        }
        net
    }

    pub fn since(self, before: Net) -> Net {
        Net {
            bytes: self.bytes.saturating_sub(before.bytes),
            packets: self.packets.saturating_sub(before.packets),
            udp: self.udp.saturating_sub(before.udp),
            tcp: self.tcp.saturating_sub(before.tcp),
            udp_errors: self.udp_errors.saturating_sub(before.udp_errors),
        }
    }
}
