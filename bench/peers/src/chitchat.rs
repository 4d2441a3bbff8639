//! Peer chitchat (Quickwit): scuttlebutt anti-entropy over UDP, with key-value state per node.

use chitchat::transport::UdpTransport;
use chitchat::{
    ChitchatConfig, ChitchatHandle, ChitchatId, FailureDetectorConfig, ListenerHandle, ProtocolVersion,
    spawn_chitchat,
};
use harness::{Cluster, Env, run};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;

struct Cc {
    nodes: Mutex<Vec<std::sync::Arc<ChitchatHandle>>>,
    keep: Mutex<Vec<ListenerHandle>>,
    live: bool,
}

fn config(env: &Env, i: usize) -> ChitchatConfig {
    // default: 1 s gossip interval and protocol V0, as the crate's own default and Quickwit's.
    let (ms, ver) = match env.cfg.as_str() {
        "default" => (1000, ProtocolVersion::V0),
        "g200" => (200, ProtocolVersion::V1),
        "tuned" => (100, ProtocolVersion::V1),
        "g20" => (20, ProtocolVersion::V1),
        x => panic!("cfg {x}"),
    };
    let addr: SocketAddr = ([127, 0, 0, 1], env.port + i as u16).into();
    let seed = format!("127.0.0.1:{}", env.port);
    ChitchatConfig {
        chitchat_id: ChitchatId::new(format!("node-{i:04}"), 1, addr),
        cluster_id: "bench".into(),
        gossip_interval: Duration::from_millis(ms),
        listen_addr: addr,
        seed_nodes: vec![seed],
        failure_detector_config: FailureDetectorConfig::default(),
        marked_for_deletion_grace_period: Duration::from_secs(900),
        catchup_callback: None,
        extra_liveness_predicate: None,
        protocol_version: ver,
    }
}

impl Cluster for Cc {
    const NAME: &'static str = "chitchat";
    async fn prepare(env: &Env) -> Self {
        Cc { nodes: Mutex::new(vec![]), keep: Mutex::new(vec![]), live: env.mode != "known" }
    }
    async fn join(&self, env: &Env) {
        let t0 = tokio::time::Instant::now();
        let mut at: Vec<_> = (0..env.n).map(|_| env.phase()).collect();
        at.sort();
        for i in 0..env.n {
            tokio::time::sleep_until(t0 + at[i]).await;
            let h = spawn_chitchat(config(env, i), vec![], &UdpTransport).await.unwrap();
            let t = env.tracker.clone();
            let l = h
                .with_chitchat(|c| {
                    let t = t.clone();
                    c.subscribe_event("u", move |e| {
                        if let Ok(s) = e.value.parse() {
                            t.mark(i, s)
                        }
                    })
                })
                .await;
            let t = env.tracker.clone();
            let l2 = h
                .with_chitchat(|c| {
                    let t = t.clone();
                    c.subscribe_event("r", move |_| t.add(i, 1))
                })
                .await;
            self.keep.lock().unwrap().extend([l, l2]);
            self.nodes.lock().unwrap().push(std::sync::Arc::new(h));
        }
    }
    async fn members(&self, i: usize) -> usize {
        let h = self.nodes.lock().unwrap()[i].clone();
        let live = self.live;
        // live_nodes() contains the node itself
        h.with_chitchat(|c| if live { c.live_nodes().count() } else { c.node_states().len() }).await
    }
    async fn publish(&self, i: usize, seq: u64) {
        let h = self.nodes.lock().unwrap()[i].clone();
        h.with_chitchat(|c| c.self_node_state().set("u", seq)).await;
    }
    async fn big_state(&self, env: &Env) -> Option<u64> {
        for i in 0..env.n {
            let h = self.nodes.lock().unwrap()[i].clone();
            h.with_chitchat(|c| {
                for k in 0..env.entries {
                    let (a, b) = harness::entry(i, k);
                    c.self_node_state().set(a, b);
                }
            })
            .await;
        }
        // own keys also call the local listener
        Some((env.n * env.entries) as u64)
    }
}

#[tokio::main]
async fn main() {
    run::<Cc>().await
}
