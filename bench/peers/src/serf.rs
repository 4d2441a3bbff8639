//! Peer serf (HashiCorp): N real `serf agent` processes (Go), controlled by their RPC sockets.
//!
//! `--cfg default`: the agent's defaults (its LAN profile); `local`: `-profile=local`. Updates are
//! user events without coalescing, or with `--mode tags` changed tags, which the agent coalesces
//! for up to 3 s before it reports them.

use harness::{Cluster, Env, Tracker, run};
use rmpv::Value;
use std::io::{BufReader, BufWriter, Write};
use std::net::TcpStream;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

struct Rpc {
    r: BufReader<TcpStream>,
    w: BufWriter<TcpStream>,
    seq: u64,
}
fn m(kv: Vec<(&str, Value)>) -> Value {
    Value::Map(kv.into_iter().map(|(k, v)| (Value::from(k), v)).collect())
}
fn get<'a>(v: &'a Value, k: &str) -> Option<&'a Value> {
    v.as_map()?.iter().find(|(a, _)| txt(a) == k).map(|(_, b)| b)
}
fn txt(v: &Value) -> String {
    match v {
        Value::String(s) => String::from_utf8_lossy(s.as_bytes()).into_owned(),
        Value::Binary(b) => String::from_utf8_lossy(b).into_owned(),
        o => o.to_string(),
    }
}
impl Rpc {
    fn connect(port: u16) -> std::io::Result<Rpc> {
        let s = TcpStream::connect(("127.0.0.1", port))?;
        s.set_nodelay(true)?;
        let mut r = Rpc { r: BufReader::new(s.try_clone()?), w: BufWriter::new(s), seq: 0 };
        r.call("handshake", Some(m(vec![("Version", 1.into())])), false).map_err(std::io::Error::other)?;
        Ok(r)
    }
    fn call(&mut self, cmd: &str, body: Option<Value>, reply: bool) -> Result<Value, String> {
        self.seq += 1;
        let e = |x: &dyn std::fmt::Display| x.to_string();
        rmpv::encode::write_value(&mut self.w, &m(vec![("Command", cmd.into()), ("Seq", self.seq.into())]))
            .map_err(|x| e(&x))?;
        if let Some(b) = body {
            rmpv::encode::write_value(&mut self.w, &b).map_err(|x| e(&x))?;
        }
        self.w.flush().map_err(|x| e(&x))?;
        let h = rmpv::decode::read_value(&mut self.r).map_err(|x| e(&x))?;
        let err = get(&h, "Error").map(txt).unwrap_or_default();
        if !err.is_empty() {
            return Err(err);
        }
        if reply { rmpv::decode::read_value(&mut self.r).map_err(|x| e(&x)) } else { Ok(Value::Nil) }
    }
}

struct Agent {
    child: Mutex<Child>,
    pid: String,
    rpc: Arc<Mutex<Rpc>>,
}
struct Sf {
    agents: Vec<Agent>,
    tags: bool,
    hz: f64,
}

fn watch(i: usize, port: u16, t: Arc<Tracker>) {
    let mut r = Rpc::connect(port).unwrap();
    r.call("stream", Some(m(vec![("Type", "user,member-update".into())])), false).unwrap();
    std::thread::spawn(move || {
        let mut got: std::collections::HashSet<String> = Default::default();
        loop {
            let Ok(_h) = rmpv::decode::read_value(&mut r.r) else { return };
            let Ok(b) = rmpv::decode::read_value(&mut r.r) else { return };
            let ev = get(&b, "Event").map(txt).unwrap_or_default();
            if ev == "user" {
                if let Some(s) = get(&b, "Payload").map(txt).and_then(|x| x.parse().ok()) {
                    t.mark(i, s);
                }
            } else if let Some(ms) = get(&b, "Members").and_then(|x| x.as_array().cloned()) {
                for mm in ms {
                    let name = get(&mm, "Name").map(txt).unwrap_or_default();
                    let Some(tags) = get(&mm, "Tags").and_then(|x| x.as_map().cloned()) else { continue };
                    for (k, v) in &tags {
                        if txt(k) == "u" {
                            if let Ok(s) = txt(v).parse() {
                                t.mark(i, s);
                            }
                        }
                    }
                    let big =
                        tags.iter().filter(|(k, _)| txt(k).starts_with('r') && txt(k).len() == 8).count();
                    if big > 0 && got.insert(name) {
                        t.add(i, big as u64);
                    }
                }
            }
        }
    });
}

impl Cluster for Sf {
    const NAME: &'static str = "serf";
    async fn prepare(env: &Env) -> Self {
        harness::count_rpc();
        let mut kids = vec![];
        for i in 0..env.n {
            let mut c = Command::new("serf");
            c.args([
                "agent",
                &format!("-node=node-{i:04}"),
                &format!("-bind=127.0.0.1:{}", env.port + i as u16),
                &format!("-rpc-addr=127.0.0.1:{}", env.port + 5000 + i as u16),
                "-log-level=err",
            ]);
            match env.cfg.as_str() {
                "default" => {}
                "local" => {
                    c.arg("-profile=local");
                }
                x => panic!("cfg {x}"),
            }
            c.stdout(Stdio::null()).stderr(Stdio::null()).stdin(Stdio::null());
            // SAFETY: between fork and exec it makes one system call, which is allowed there.
            unsafe {
                c.pre_exec(|| {
                    libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                    Ok(())
                });
            }
            kids.push(c.spawn().expect("serf"));
        }
        let mut agents = vec![];
        for (i, child) in kids.into_iter().enumerate() {
            let port = env.port + 5000 + i as u16;
            let rpc = loop {
                match Rpc::connect(port) {
                    Ok(r) => break r,
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            };
            watch(i, port, env.tracker.clone());
            let pid = child.id().to_string();
            agents.push(Agent { child: Mutex::new(child), pid, rpc: Arc::new(Mutex::new(rpc)) });
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
        Sf {
            agents,
            tags: env.mode == "tags", // SAFETY: the call has no preconditions.
            hz: unsafe { libc::sysconf(libc::_SC_CLK_TCK) } as f64,
        }
    }
    async fn join(&self, env: &Env) {
        let seed = format!("127.0.0.1:{}", env.port);
        for i in 1..env.n {
            let port = env.port + 5000 + i as u16;
            let seed = seed.clone();
            // own connection: the join call blocks until the agent has joined
            std::thread::spawn(move || {
                if let Ok(mut r) = Rpc::connect(port) {
                    if let Err(e) = r.call(
                        "join",
                        Some(m(vec![
                            ("Existing", Value::Array(vec![seed.into()])),
                            ("Replay", false.into()),
                        ])),
                        true,
                    ) {
                        eprintln!("join {i}: {e}");
                    }
                }
            });
        }
    }
    async fn members(&self, i: usize) -> usize {
        let v = self.agents[i].rpc.lock().unwrap().call("stats", None, true);
        match v {
            Ok(v) => {
                let s = get(&v, "serf").cloned().unwrap_or(Value::Nil);
                let n = |k: &str| get(&s, k).map(txt).and_then(|x| x.parse::<usize>().ok()).unwrap_or(0);
                n("members") - n("failed").min(n("members")) - n("left").min(n("members"))
            }
            Err(_) => 0,
        }
    }
    async fn publish(&self, i: usize, seq: u64) {
        let mut r = self.agents[i].rpc.lock().unwrap();
        let res = if self.tags {
            r.call(
                "tags",
                Some(m(vec![
                    ("Tags", m(vec![("u", seq.to_string().into())])),
                    ("DeleteTags", Value::Array(vec![])),
                ])),
                false,
            )
        } else {
            r.call(
                "event",
                Some(m(vec![
                    ("Name", "u".into()),
                    ("Payload", Value::Binary(seq.to_string().into_bytes()).to_raw()),
                    ("Coalesce", false.into()),
                ])),
                false,
            )
        };
        if let Err(e) = res {
            eprintln!("publish: {e}");
        }
    }
    fn cpu(&self) -> f64 {
        self.agents
            .iter()
            .map(|a| {
                let s = std::fs::read_to_string(format!("/proc/{}/stat", a.pid)).unwrap_or_default();
                let f: Vec<&str> = s.rsplit(')').next().unwrap_or("").split_whitespace().collect();
                let p = |i: usize| f.get(i).and_then(|x| x.parse::<f64>().ok()).unwrap_or(0.0);
                (p(11) + p(12)) / self.hz
            })
            .sum()
    }
    fn memory(&self) -> (u64, u64) {
        self.agents.iter().fold((0, 0), |s, a| (s.0 + harness::rss_of(&a.pid), s.1 + harness::pss_of(&a.pid)))
    }
    async fn big_state(&self, env: &Env) -> Option<u64> {
        let set = |i: usize, e: usize| {
            let kv =
                (0..e).map(|k| harness::entry(i, k)).map(|(a, b)| (Value::from(a), Value::from(b))).collect();
            self.agents[i].rpc.lock().unwrap().call(
                "tags",
                Some(m(vec![("Tags", Value::Map(kv)), ("DeleteTags", Value::Array(vec![]))])),
                false,
            )
        };
        if let Err(e) = set(0, env.entries) {
            eprintln!("serf: {} tags: {e}", env.entries);
        }
        let mut e = 30;
        while let Err(x) = set(0, e) {
            eprintln!("serf: {e} tags: {x}");
            e -= 1;
        }
        eprintln!("serf: {e} tags fit");
        // The call returns when the agent has sent its broadcast: all at once, in threads.
        std::thread::scope(|sc| {
            for i in 1..env.n {
                let set = &set;
                sc.spawn(move || {
                    if let Err(x) = set(i, e) {
                        eprintln!("serf tags: {x}");
                    }
                });
            }
        });
        Some((env.n * e) as u64)
    }
    async fn shutdown(&self) {
        for a in &self.agents {
            let mut c = a.child.lock().unwrap();
            let _ = c.kill();
            let _ = c.wait();
        }
    }
}

/// serf's codec is the old msgpack: byte strings are raw (the str types).
trait Raw {
    fn to_raw(self) -> Value;
}
impl Raw for Value {
    fn to_raw(self) -> Value {
        match self {
            Value::Binary(b) => Value::from(String::from_utf8(b).unwrap()),
            o => o,
        }
    }
}

#[tokio::main]
async fn main() {
    run::<Sf>().await
}
