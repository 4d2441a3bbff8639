//! Big state: every node publishes many entries at once, until all nodes have all.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::arguments::{Arguments, Env};
use crate::cluster::Cluster;
use crate::run::line;
use crate::stats::{median, quantile};
use crate::wire::Net;

/// Interval at which the harness counts.
const LOOK: Duration = Duration::from_millis(5);

/// Measures the big state, if the flags ask for one.
pub(crate) async fn run<C: Cluster>(cluster: &C, env: &Env, arguments: &Arguments) {
    if env.entries == 0 {
        return;
    }
    let rest = arguments.millis("rest", 5_000);
    let idle_before = bytes_per_second(rest).await;
    let memory = cluster.memory();
    let (net, cpu, began) = (Net::read(), cluster.cpu(), Instant::now());
    let Some(want) = cluster.big_state(env).await else { return };
    let limit = Duration::from_secs(arguments.number("biglimit", 120));
    let (ms95, ms) = complete(env, want, began, limit).await;
    let seconds = began.elapsed().as_secs_f64();
    let (net, cpu) = (Net::read().since(net), cluster.cpu() - cpu);
    cluster.phase("bigstate").await;
    let have: Vec<f64> = (0..env.n).map(|node| env.tracker.total(node) as f64 / want as f64).collect();
    tokio::time::sleep(rest).await;
    let idle_after = bytes_per_second(rest).await;
    let grown = |after: u64, before: u64| after.saturating_sub(before) as f64 / env.n as f64;
    let after = cluster.memory();
    let result = json!({
        "mode": env.mode, "entries": env.entries, "want_per_node": want, "ms": ms, "ms95": ms95,
        "min_have": quantile(&have, 0.0), "med_have": median(&have), "bytes": net.bytes,
        "packets": net.packets, "bytes_above_idle": net.bytes as f64 - idle_before * seconds,
        "idle_before": idle_before, "idle_after": idle_after, "cpu_s": cpu,
        "rss_grown_kb_per_node": grown(after.0, memory.0),
        "pss_grown_kb_per_node": grown(after.1, memory.1), "udp_errors": net.udp_errors,
        "limit_s": limit.as_secs(),
    });
    line::<C>(env, "bigstate", result);
}

/// Waits until all nodes have all entries. Returns the milliseconds until every node had 95 % of
/// them (gossip without repair may never reach all), and until every node had all.
async fn complete(env: &Env, want: u64, began: Instant, limit: Duration) -> (Option<f64>, Option<f64>) {
    let (mut nearly, mut ms95, mut full) = (0, None, 0);
    while began.elapsed() <= limit {
        let now = || began.elapsed().as_secs_f64() * 1e3;
        while nearly < env.n && env.tracker.total(nearly) * 100 >= want * 95 {
            nearly += 1;
        }
        if nearly == env.n && ms95.is_none() {
            ms95 = Some(now());
        }
        while full < env.n && env.tracker.total(full) >= want {
            full += 1;
        }
        if full == env.n {
            return (ms95, Some(now()));
        }
        tokio::time::sleep(LOOK).await;
    }
    (ms95, None)
}

async fn bytes_per_second(time: Duration) -> f64 {
    let net = Net::read();
    tokio::time::sleep(time).await;
    Net::read().since(net).bytes as f64 / time.as_secs_f64()
}
