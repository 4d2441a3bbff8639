//! Updates at each rate of loss: time until all nodes have one, and its traffic and CPU.
//!
//! The marginal cost of an update is the difference between a window with an update and a window
//! without one, of the same length.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::arguments::{Arguments, Env};
use crate::cluster::Cluster;
use crate::loss::set_loss;
use crate::run::line;
use crate::stats::{median, quantile};
use crate::wire::Net;

/// Interval at which the harness looks whether all nodes have the update. The times themselves come
/// from the nodes.
const LOOK: Duration = Duration::from_millis(2);
/// Idle windows before the updates.
const IDLE_WINDOWS: usize = 6;
/// Time from the beginning of loss to the first update.
const LOSS_SETTLES: Duration = Duration::from_secs(2);

/// Traffic and CPU of windows of one kind.
#[derive(Default)]
struct Windows {
    bytes: Vec<f64>,
    packets: Vec<f64>,
    cpu_ms: Vec<f64>,
}

impl Windows {
    fn push(&mut self, net: Net, cpu_s: f64) {
        self.bytes.push(net.bytes as f64);
        self.packets.push(net.packets as f64);
        self.cpu_ms.push(cpu_s * 1e3);
    }
}

/// The results at one rate of loss.
#[derive(Default)]
struct Updates {
    /// Milliseconds until all nodes had the update, for each update that all had.
    all_ms: Vec<f64>,
    /// Milliseconds of each node.
    node_ms: Vec<f64>,
    /// Number of nodes with the update, for each update that not all had.
    incomplete: Vec<usize>,
    bytes_until_all: Vec<f64>,
    packets_until_all: Vec<f64>,
    windows: Windows,
    idle: Windows,
}

/// Measures the updates of the flags.
pub(crate) async fn run<C: Cluster>(cluster: &C, env: &Env, arguments: &Arguments) {
    let updates = arguments.number("updates", 0);
    if updates == 0 {
        return;
    }
    let mode = arguments.text("lossmode", "dgram");
    let mut seq = 0;
    for rate in arguments.text("loss", "0").split(',') {
        let percent: u64 = rate.parse().expect("a rate of loss in percent");
        set_loss(percent, &mode);
        if percent > 0 {
            tokio::time::sleep(LOSS_SETTLES).await;
        }
        let mut results = Updates::default();
        if arguments.number("marginal", 1) == 1 {
            for _ in 0..IDLE_WINDOWS {
                idle_window(cluster, env, arguments, &mut results.idle).await;
            }
        }
        cluster.phase("windows").await;
        for _ in 0..updates {
            seq += 1;
            one(cluster, env, arguments, seq, &mut results).await;
        }
        print(cluster, env, arguments, percent, &results).await;
        set_loss(0, &mode);
        cluster.phase("updates").await;
    }
}

fn window(arguments: &Arguments) -> Duration {
    arguments.millis("window", 2_000)
}

fn limit(arguments: &Arguments) -> Duration {
    Duration::from_secs(arguments.number("limit", 30))
}

/// A window without an update. It looks as often as one with an update, so that the harness' own
/// CPU cancels out.
async fn idle_window<C: Cluster>(cluster: &C, env: &Env, arguments: &Arguments, windows: &mut Windows) {
    let (net, cpu, began) = (Net::read(), cluster.cpu(), Instant::now());
    while began.elapsed() < window(arguments) {
        let _ = env.tracker.count();
        tokio::time::sleep(LOOK).await;
    }
    windows.push(Net::read().since(net), cluster.cpu() - cpu);
}

/// Publishes an update, from another node each time.
async fn one<C: Cluster>(c: &C, env: &Env, arguments: &Arguments, seq: u64, results: &mut Updates) {
    let source = ((seq - 1) as usize * 7 + 3) % env.n;
    let (net, cpu, began) = (Net::read(), c.cpu(), Instant::now());
    let armed = env.tracker.arm(seq);
    env.tracker.mark(source, seq);
    c.publish(source, seq).await;
    let (mut until_all, mut in_window) = (None, false);
    while until_all.is_none() || !in_window {
        if env.tracker.count() == env.n && until_all.is_none() {
            until_all = Some(Net::read().since(net));
        }
        if !in_window && began.elapsed() >= window(arguments) {
            results.windows.push(Net::read().since(net), c.cpu() - cpu);
            in_window = true;
        }
        if began.elapsed() > limit(arguments) {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    let times = env.tracker.times(armed);
    match until_all {
        Some(net) => {
            results.all_ms.push(times.iter().copied().fold(0.0, f64::max));
            results.bytes_until_all.push(net.bytes as f64);
            results.packets_until_all.push(net.packets as f64);
        }
        None => results.incomplete.push(times.len()),
    }
    results.node_ms.extend(times.into_iter().filter(|ms| *ms > 0.0));
    // At a random phase of the nodes' timers.
    let jitter = rand::random::<u64>() % arguments.number("jitter", 1_000).max(1);
    tokio::time::sleep(Duration::from_millis(50 + jitter)).await;
}

async fn print<C: Cluster>(c: &C, env: &Env, arguments: &Arguments, percent: u64, results: &Updates) {
    let mut fewest = env.n;
    for node in 0..env.n {
        fewest = fewest.min(c.members(node).await);
    }
    let Updates { windows, idle, .. } = results;
    let result = json!({
        "loss": percent, "lossmode": arguments.text("lossmode", "dgram"),
        "updates": results.all_ms.len() + results.incomplete.len(), "all_ms": results.all_ms,
        "incomplete": results.incomplete, "limit_s": limit(arguments).as_secs(),
        "node_p50": quantile(&results.node_ms, 0.5), "node_p99": quantile(&results.node_ms, 0.99),
        "bytes_until_all_med": median(&results.bytes_until_all),
        "packets_until_all_med": median(&results.packets_until_all),
        "win_ms": window(arguments).as_millis() as u64, "win_bytes": windows.bytes,
        "win_packets": windows.packets, "win_cpu_ms": windows.cpu_ms, "idle_bytes": idle.bytes,
        "idle_packets": idle.packets, "idle_cpu_ms": idle.cpu_ms, "min_members_after": fewest,
    });
    line::<C>(env, "update", result);
}
