//! Peer memberlist 0.8 (al8n): the Rust port of hashicorp/memberlist with tokio, TCP transport, no
//! encryption.

use harness::{Cluster, Env, Tracker, run};
use memberlist::Options;
use memberlist::delegate::{CompositeDelegate, EventDelegate, NodeDelegate, VoidDelegate};
use memberlist::net::NetTransportOptions;
use memberlist::proto::{MaybeResolvedAddress, Meta, NodeState};
use memberlist::tokio::{TokioSocketAddrResolver, TokioTcp, TokioTcpMemberlist};
use smol_str::SmolStr;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

type MetaCell = Arc<Mutex<Vec<u8>>>;

struct Nd(MetaCell);
impl NodeDelegate for Nd {
    async fn node_meta(&self, _limit: usize) -> Meta {
        Meta::try_from(self.0.lock().unwrap().clone()).unwrap()
    }
}

struct Ed {
    me: usize,
    t: Arc<Tracker>,
    big: Mutex<HashMap<SmolStr, u64>>,
}
impl EventDelegate for Ed {
    type Id = SmolStr;
    type Address = SocketAddr;
    async fn notify_join(&self, _n: Arc<NodeState<SmolStr, SocketAddr>>) {}
    async fn notify_leave(&self, _n: Arc<NodeState<SmolStr, SocketAddr>>) {}
    async fn notify_update(&self, n: Arc<NodeState<SmolStr, SocketAddr>>) {
        let m: &[u8] = n.meta();
        if m.len() == 8 {
            self.t.mark(self.me, u64::from_le_bytes(m.try_into().unwrap()));
        } else if !m.is_empty() {
            // big state: entries of 20 bytes
            if self.big.lock().unwrap().insert(n.id().clone(), m.len() as u64).is_none() {
                self.t.add(self.me, m.len() as u64 / 20);
            }
        }
    }
}

type Del = CompositeDelegate<
    SmolStr,
    SocketAddr,
    VoidDelegate<SmolStr, SocketAddr>,
    VoidDelegate<SmolStr, SocketAddr>,
    Ed,
    VoidDelegate<SmolStr, SocketAddr>,
    Nd,
>;
type Ml = TokioTcpMemberlist<SmolStr, TokioSocketAddrResolver, Del>;

struct Mc {
    nodes: Mutex<Vec<Arc<Ml>>>,
    metas: Vec<MetaCell>,
}

fn options(env: &Env) -> Options {
    match env.cfg.as_str() {
        "default" => Options::lan(),
        // Options::local(): gossip 100 ms, retransmit_mult 2, push/pull 15 s
        "local" => Options::local(),
        // lan with faster gossip only
        "tuned" => Options::lan().with_gossip_interval(Duration::from_millis(100)),
        "g20" => Options::lan().with_gossip_interval(Duration::from_millis(20)),
        x => panic!("cfg {x}"),
    }
}

impl Cluster for Mc {
    const NAME: &'static str = "memberlist-rs";
    async fn prepare(env: &Env) -> Self {
        Mc { nodes: Mutex::new(vec![]), metas: (0..env.n).map(|_| MetaCell::default()).collect() }
    }
    async fn join(&self, env: &Env) {
        let seed: SocketAddr = ([127, 0, 0, 1], env.port).into();
        for i in 0..env.n {
            let addr: SocketAddr = ([127, 0, 0, 1], env.port + i as u16).into();
            let mut t = NetTransportOptions::<SmolStr, TokioSocketAddrResolver, TokioTcp>::new(
                SmolStr::from(format!("node-{i:04}")),
            );
            t.add_bind_address(addr);
            let d = CompositeDelegate::new()
                .with_event_delegate(Ed { me: i, t: env.tracker.clone(), big: Mutex::new(HashMap::new()) })
                .with_node_delegate(Nd(self.metas[i].clone()));
            let m = Arc::new(Ml::with_delegate(d, t, options(env)).await.expect("create"));
            self.nodes.lock().unwrap().push(m.clone());
            if i > 0 {
                let ph = env.phase();
                tokio::spawn(async move {
                    tokio::time::sleep(ph).await;
                    while let Err(e) = m.join(MaybeResolvedAddress::Resolved(seed)).await {
                        eprintln!("join {i}: {e}");
                        tokio::time::sleep(Duration::from_millis(200)).await;
                    }
                });
            }
        }
    }
    async fn members(&self, i: usize) -> usize {
        let m = self.nodes.lock().unwrap()[i].clone();
        m.num_online_members().await
    }
    async fn publish(&self, i: usize, seq: u64) {
        *self.metas[i].lock().unwrap() = seq.to_le_bytes().to_vec();
        let m = self.nodes.lock().unwrap()[i].clone();
        // update_node waits for the broadcast to be sent out: do not make the clock wait for it
        tokio::spawn(async move {
            let _ = m.update_node(Duration::from_secs(5)).await;
        });
    }
    async fn big_state(&self, env: &Env) -> Option<u64> {
        // meta is limited to 512 bytes: at most 25 entries of 20 bytes
        let e = env.entries.min(25);
        for i in 0..env.n {
            let mut b = vec![];
            for k in 0..e {
                let (x, y) = harness::entry(i, k);
                let mut one = (x + &y).into_bytes();
                one.resize(20, b' ');
                b.extend(one);
            }
            *self.metas[i].lock().unwrap() = b;
            let m = self.nodes.lock().unwrap()[i].clone();
            tokio::spawn(async move {
                let _ = m.update_node(Duration::from_secs(5)).await;
            });
        }
        Some((env.n * e) as u64) // the node itself is notified too
    }
}

#[tokio::main]
async fn main() {
    run::<Mc>().await
}
