//! A run: join, idle, updates at each rate of loss, big state, in this order and as the flags say.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::arguments::{Arguments, Env};
use crate::cluster::Cluster;
use crate::usage::{cpu_self, pss_of, raise_open_files, rss_of};
use crate::wire::Net;
use crate::{big_state, update};

/// Runs the measurements of the flags, prints a line for each, and ends the process.
pub async fn run<C: Cluster>() {
    raise_open_files();
    let arguments = Arguments::parse();
    let env = Env::new(&arguments);
    let began = Instant::now();
    let memory = (rss_of("self"), pss_of("self"));
    let cluster = C::prepare(&env).await;
    let cpu_before = cluster.cpu();

    join(&cluster, &env, &arguments).await;
    cluster.phase("join").await;
    if arguments.text("only", "") != "join" {
        tokio::time::sleep(arguments.millis("settle", 5_000)).await;
        cluster.phase("settle").await;
        idle(&cluster, &env, &arguments, memory).await;
        cluster.phase("idle").await;
        update::run(&cluster, &env, &arguments).await;
        big_state::run(&cluster, &env, &arguments).await;
    }
    let own = cpu_self();
    // CPU of separate agents comes on top of that of this process.
    let agents = cluster.cpu() - cpu_before;
    let cpu = if agents > own { own + agents } else { own };
    line::<C>(&env, "end", json!({"secs": began.elapsed().as_secs_f64(), "cpu_s": cpu}));
    cluster.shutdown().await;
    std::process::exit(0);
}

/// Prints one result: the fields with those of the run.
pub(crate) fn line<C: Cluster>(env: &Env, kind: &str, mut fields: Value) {
    if let Some(fields) = fields.as_object_mut() {
        fields.insert("kind".to_owned(), kind.into());
        fields.insert("peer".to_owned(), C::NAME.into());
        fields.insert("cfg".to_owned(), env.cfg.clone().into());
        fields.insert("n".to_owned(), env.n.into());
    }
    println!("{fields}");
}

async fn join<C: Cluster>(cluster: &C, env: &Env, arguments: &Arguments) {
    let (net, cpu, began) = (Net::read(), cluster.cpu(), Instant::now());
    cluster.join(env).await;
    let limit = Duration::from_secs(arguments.number("joinlimit", 60));
    let (ms, full) = converge(cluster, env.n, began, limit).await;
    let net = Net::read().since(net);
    let result = json!({
        "ms": ms, "full_nodes": full, "bytes": net.bytes, "packets": net.packets, "udp": net.udp,
        "tcp": net.tcp, "udp_errors": net.udp_errors, "cpu_s": cluster.cpu() - cpu,
        "limit_s": limit.as_secs(), "stagger_ms": env.stagger,
    });
    line::<C>(env, "join", result);
}

/// Waits until every node lists all members. Returns the milliseconds, `None` at the limit, and the
/// number of nodes that list all.
async fn converge<C: Cluster>(c: &C, n: usize, began: Instant, limit: Duration) -> (Option<f64>, usize) {
    let mut complete = 0;
    loop {
        // In the order of the nodes: one that lists all is not asked again.
        while complete < n && c.members(complete).await >= n {
            complete += 1;
        }
        if complete == n {
            // No node has lost a member meanwhile.
            match first_incomplete(c, n).await {
                None => return (Some(began.elapsed().as_secs_f64() * 1e3), n),
                Some(node) => complete = node,
            }
        }
        if began.elapsed() > limit {
            let mut full = 0;
            for node in 0..n {
                full += usize::from(c.members(node).await >= n);
            }
            return (None, full);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

async fn first_incomplete<C: Cluster>(c: &C, n: usize) -> Option<usize> {
    for node in 0..n {
        if c.members(node).await < n {
            return Some(node);
        }
    }
    None
}

async fn idle<C: Cluster>(cluster: &C, env: &Env, arguments: &Arguments, before: (u64, u64)) {
    let seconds = arguments.number("idle", 10);
    if seconds == 0 {
        return;
    }
    let (net, cpu, began) = (Net::read(), cluster.cpu(), Instant::now());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let elapsed = began.elapsed().as_secs_f64();
    let (net, cpu) = (Net::read().since(net), cluster.cpu() - cpu);
    let (n, memory) = (env.n as f64, cluster.memory());
    let per = |amount: u64| amount as f64 / (elapsed * n);
    let result = json!({
        "secs": elapsed, "bytes_per_node_s": per(net.bytes), "packets_per_node_s": per(net.packets),
        "udp_per_node_s": per(net.udp), "tcp_per_node_s": per(net.tcp),
        "cpu_ms_per_node_s": cpu * 1e3 / (elapsed * n), "rss_kb_per_node": memory.0 as f64 / n,
        "pss_kb_per_node": memory.1 as f64 / n,
        "rss_grown_kb_per_node": memory.0.saturating_sub(before.0) as f64 / n,
        "pss_grown_kb_per_node": memory.1.saturating_sub(before.1) as f64 / n,
    });
    line::<C>(env, "idle", result);
}
