//! Peer foca (SWIM, sans-I/O): the caller has the UDP socket and the timers. One task per node.

use bytes::Bytes;
use foca::{
    AccumulatingRuntime, BroadcastHandler, Config, Foca, Invalidates, PeriodicParams, PostcardCodec, Timer,
};
use harness::{Cluster, Env, Tracker, run};
use rand::rngs::StdRng;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::net::SocketAddrV4;
use std::num::{NonZeroU8, NonZeroU32, NonZeroUsize};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tokio::time::Instant;

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Id {
    addr: SocketAddrV4,
    bump: u32,
}
impl foca::Identity for Id {
    type Addr = SocketAddrV4;
    fn renew(&self) -> Option<Self> {
        Some(Id { addr: self.addr, bump: self.bump + 1 })
    }
    fn addr(&self) -> SocketAddrV4 {
        self.addr
    }
    fn win_addr_conflict(&self, o: &Self) -> bool {
        self.bump > o.bump
    }
}

/// Broadcast item: node, slot (0: the update, others: the big state), version, payload.
#[derive(serde::Serialize, serde::Deserialize)]
struct Item {
    node: u16,
    slot: u16,
    ver: u32,
    data: Vec<(String, String)>,
}
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    node: u16,
    slot: u16,
    ver: u32,
}
impl Invalidates for Key {
    fn invalidates(&self, o: &Self) -> bool {
        self.node == o.node && self.slot == o.slot && self.ver > o.ver
    }
}
struct H {
    me: usize,
    state: HashMap<(u16, u16), Item>,
    t: Arc<Tracker>,
    /// Set when a new broadcast arrives from the network; foca owns the handler, so it is shared.
    fresh: Arc<AtomicBool>,
}
impl BroadcastHandler<Id> for H {
    type Key = Key;
    type Error = postcard::Error;
    fn receive_item(&mut self, data: &[u8], sender: Option<&Id>) -> Result<Option<Key>, postcard::Error> {
        let it: Item = postcard::from_bytes(data)?;
        let k = (it.node, it.slot);
        if self.state.get(&k).map(|o| o.ver >= it.ver).unwrap_or(false) {
            return Ok(None);
        }
        if it.slot == 0 {
            self.t.mark(self.me, it.ver as u64);
        } else {
            self.t.add(self.me, it.data.len() as u64);
        }
        let key = Key { node: it.node, slot: it.slot, ver: it.ver };
        self.state.insert(k, it);
        if sender.is_some() {
            self.fresh.store(true, SeqCst);
        }
        Ok(Some(key))
    }
}

enum In {
    Announce,
    Bcast(Vec<u8>),
}

struct Ordd(Instant, u64, Timer<Id>);
impl PartialEq for Ordd {
    fn eq(&self, o: &Self) -> bool {
        (self.0, self.1) == (o.0, o.1)
    }
}
impl Eq for Ordd {}
impl PartialOrd for Ordd {
    fn partial_cmp(&self, o: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(o))
    }
}
impl Ord for Ordd {
    // same instant: foca's own timer order decides
    fn cmp(&self, o: &Self) -> std::cmp::Ordering {
        self.0.cmp(&o.0).then_with(|| self.2.cmp(&o.2)).then(self.1.cmp(&o.1))
    }
}

struct Fc {
    tx: Mutex<Vec<mpsc::UnboundedSender<In>>>,
    members: Arc<Vec<AtomicUsize>>,
}

fn config(env: &Env) -> (Config, bool) {
    let mut c = Config::new_lan(NonZeroU32::new(env.n as u32).unwrap());
    let g = |ms| {
        Some(PeriodicParams {
            frequency: Duration::from_millis(ms),
            num_members: NonZeroUsize::new(3).unwrap(),
        })
    };
    match env.cfg.as_str() {
        "default" => (c, false),
        "tuned" => {
            c.periodic_gossip = g(100);
            (c, false)
        }
        // On a new broadcast call `foca.broadcast()` at once (3 random members).
        "eager" => {
            c.periodic_gossip = g(100);
            (c, true)
        }
        // Eager, and 10 transmissions per broadcast whatever N, as `Config::simple` has.
        "eager10" => {
            c.periodic_gossip = g(100);
            c.max_transmissions = NonZeroU8::new(10).unwrap();
            (c, true)
        }
        x => panic!("cfg {x}"),
    }
}

async fn node(
    me: usize,
    port: u16,
    cfg: Config,
    eager: bool,
    mut rx: mpsc::UnboundedReceiver<In>,
    t: Arc<Tracker>,
    members: Arc<Vec<AtomicUsize>>,
) {
    let addr = |i: usize| SocketAddrV4::new([127, 0, 0, 1].into(), port + i as u16);
    let sock = UdpSocket::bind(addr(me)).await.unwrap();
    let buf_len = cfg.max_packet_size.get();
    let rng: StdRng = rand::make_rng();
    let fresh = Arc::new(AtomicBool::new(false));
    let mut f = Foca::with_custom_broadcast(
        Id { addr: addr(me), bump: 0 },
        cfg,
        rng,
        PostcardCodec,
        H { me, state: HashMap::new(), t, fresh: fresh.clone() },
    );
    let seed = Id { addr: addr(0), bump: 0 };
    let mut rt = AccumulatingRuntime::new();
    let mut timers: BinaryHeap<Reverse<Ordd>> = BinaryHeap::new();
    let mut cnt = 0u64;
    let mut buf = vec![0u8; buf_len.max(2048)];
    let mut again = tokio::time::interval(Duration::from_secs(1));
    again.tick().await;
    members[me].store(1, SeqCst);
    loop {
        let next =
            timers.peek().map(|Reverse(o)| o.0).unwrap_or_else(|| Instant::now() + Duration::from_secs(3600));
        let mut nb = false;
        tokio::select! {
            r = sock.recv_from(&mut buf) => {
                if let Ok((len, _)) = r {
                    let _ = f.handle_data(&buf[..len], &mut rt);
                }
            }
            _ = tokio::time::sleep_until(next) => {
                let now = Instant::now();
                while timers.peek().map(|Reverse(o)| o.0 <= now).unwrap_or(false) {
                    let Reverse(o) = timers.pop().unwrap();
                    let _ = f.handle_timer(o.2, &mut rt);
                }
            }
            _ = again.tick(), if me != 0 && f.num_members() == 0 => {
                let _ = f.announce(seed.clone(), &mut rt);
            }
            x = rx.recv() => match x {
                Some(In::Announce) => { let _ = f.announce(seed.clone(), &mut rt); }
                Some(In::Bcast(d)) => { let _ = f.add_broadcast(&d); nb = true; }
                None => return,
            }
        }
        if eager && (nb | fresh.swap(false, SeqCst)) {
            let _ = f.broadcast(&mut rt);
        }
        while let Some((dst, data)) = rt.to_send() {
            let data: Bytes = data;
            let _ = sock.send_to(&data, dst.addr).await;
        }
        let now = Instant::now();
        while let Some((d, ev)) = rt.to_schedule() {
            cnt += 1;
            timers.push(Reverse(Ordd(now + d, cnt, ev)));
        }
        while rt.to_notify().is_some() {}
        members[me].store(f.num_members() + 1, SeqCst);
    }
}

impl Cluster for Fc {
    const NAME: &'static str = "foca";
    async fn prepare(env: &Env) -> Self {
        Fc { tx: Mutex::new(vec![]), members: Arc::new((0..env.n).map(|_| AtomicUsize::new(0)).collect()) }
    }
    async fn join(&self, env: &Env) {
        let (cfg, eager) = config(env);
        for i in 0..env.n {
            let (tx, rx) = mpsc::unbounded_channel();
            if i > 0 {
                let _ = tx.send(In::Announce);
            }
            let (d, f) = (
                env.phase(),
                node(i, env.port, cfg.clone(), eager, rx, env.tracker.clone(), self.members.clone()),
            );
            tokio::spawn(async move {
                if !d.is_zero() && i != 0 {
                    tokio::time::sleep(d).await;
                }
                f.await
            });
            self.tx.lock().unwrap().push(tx);
        }
    }
    async fn members(&self, i: usize) -> usize {
        self.members[i].load(SeqCst)
    }
    async fn publish(&self, i: usize, seq: u64) {
        let it = Item { node: i as u16, slot: 0, ver: seq as u32, data: vec![("u".into(), seq.to_string())] };
        let _ = self.tx.lock().unwrap()[i].send(In::Bcast(postcard::to_allocvec(&it).unwrap()));
    }
    async fn big_state(&self, env: &Env) -> Option<u64> {
        // mode "entry": one broadcast per entry; otherwise chunks of 25 entries (~500 bytes)
        let chunk = if env.mode == "entry" { 1 } else { 25 };
        for i in 0..env.n {
            for (s, c) in (0..env.entries).collect::<Vec<_>>().chunks(chunk).enumerate() {
                let data = c.iter().map(|&k| harness::entry(i, k)).collect();
                let it = Item { node: i as u16, slot: 1 + s as u16, ver: 1, data };
                let _ = self.tx.lock().unwrap()[i].send(In::Bcast(postcard::to_allocvec(&it).unwrap()));
            }
        }
        Some((env.n * env.entries) as u64)
    }
}

#[tokio::main]
async fn main() {
    run::<Fc>().await
}
