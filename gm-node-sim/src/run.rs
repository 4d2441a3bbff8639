//! Runs a plan: makes the world, adds the checkers, executes the operations, and waits for
//! convergence.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use gm_broadcast::{Rng, Time};
use gm_node::NodeCounter;
use gm_sim::{NodeIndex, Run, derive_seed};

use crate::check::{self, convergence};
use crate::environment::{Environment, NodeWorld};
use crate::executor::Executor;
use crate::history::{NodeHistory, SharedHistory};
use crate::plan::Plan;

/// Duration of the run after convergence: states must stay equal, and watchers must be notified.
const STABLE_FOR: Duration = Duration::from_secs(3);
/// Interval at which convergence is checked.
const CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// Header bytes of IP and UDP, also used for TCP, per send.
pub(crate) const HEADERS: u64 = 28;

/// Result of a run, in addition to its outcome.
#[derive(Debug)]
pub(crate) struct RunOutcome {
    pub(crate) run: Run,
    pub(crate) lines: Vec<String>,
    /// Time from the last operation to convergence.
    pub(crate) converged_after: Option<Duration>,
    /// Bytes per second that an idle node sent after convergence, headers included, if the plan
    /// requires the measurement.
    pub(crate) idle_bytes_per_second: Option<u64>,
    /// Counters, summed over the nodes that live at the end.
    pub(crate) counts: BTreeMap<NodeCounter, u64>,
}

/// Runs a plan, and keeps this number of last lines of the trace.
pub(crate) fn run(plan: Plan, lines: usize) -> RunOutcome {
    let plan = Rc::new(plan);
    let environment = Environment::new(&plan);
    let history = NodeHistory::shared(&plan, &environment);
    let mut world = environment.world(&plan);
    world.keep_trace(lines);
    check::add_all(&mut world, &history);
    for node in plan.nodes() {
        world.start(node);
    }
    plan.schedule.install(&mut world);
    let rng = Rng::new(derive_seed(plan.seed, u64::MAX - 2, 1));
    let mut executor = Executor::new(&history, rng);
    while let Some((at, operation)) = executor.next() {
        run_until(&mut world, &history, at);
        if world.violation().is_some() {
            break;
        }
        world.note(NodeIndex(0), || format!("{operation:?}"));
        executor.execute(&mut world, operation);
    }
    let done = plan.done_at().max(executor.last_restart()).max(world.now());
    run_until(&mut world, &history, done);
    let before = bytes_sent(&world);
    let mut converged_after = None;
    while world.violation().is_none() && world.now() <= done + plan.convergence_bound {
        if convergence::difference(&world, &history.borrow()).is_none() {
            converged_after = Some(world.now().since(done));
            break;
        }
        let next = world.now() + CHECK_INTERVAL;
        run_until(&mut world, &history, next);
    }
    if converged_after.is_none() && world.violation().is_none() {
        let difference = convergence::difference(&world, &history.borrow());
        history.borrow_mut().not_converged = difference;
    }
    history.borrow_mut().converged_at = converged_after.map(|_| world.now());
    history.borrow_mut().convergence_bytes = bytes_sent(&world) - before;
    let slowest =
        history.borrow().watchers.iter().map(|(_, _, read_delay)| *read_delay).max().unwrap_or_default();
    let end = world.now() + STABLE_FOR + slowest * 2;
    run_until(&mut world, &history, end);
    let mut idle = None;
    if let Some((time, _)) = plan.claims.idle_limit.filter(|_| world.violation().is_none()) {
        let before = bytes_sent(&world);
        let end = world.now() + time;
        run_until(&mut world, &history, end);
        let sum = bytes_sent(&world) - before;
        idle = Some(sum / time.as_secs().max(1) / u64::from(plan.nodes));
        history.borrow_mut().idle_bytes_per_second = idle;
    }
    let mut counts = BTreeMap::new();
    for machine in world.indices().filter_map(|node| world.machine(node)) {
        for (counter, _, count) in machine.counters().iter() {
            *counts.entry(counter).or_insert(0) += count;
        }
    }
    let run = world.finish();
    let lines = world.trace().lines().map(str::to_owned).collect();
    RunOutcome { run, lines, converged_after, idle_bytes_per_second: idle, counts }
}

/// Bytes sent by all nodes so far, headers included; a multicast counts once.
fn bytes_sent(world: &NodeWorld) -> u64 {
    let total = world.traffic().total();
    total.sent_bytes + HEADERS * total.sent
}

/// Processes all events until `end`, gives the scheduled commands of owners, and counts the faults
/// that had an effect.
pub(crate) fn run_until(world: &mut NodeWorld, history: &SharedHistory, end: Time) {
    loop {
        let stopped = world.run_while(end, |_| history.borrow().owner_commands.is_empty());
        let (owner_commands, uncounted_faults) = {
            let mut history = history.borrow_mut();
            history.count_disk_faults();
            (std::mem::take(&mut history.owner_commands), std::mem::take(&mut history.uncounted_faults))
        };
        for (at, node, command) in owner_commands {
            world.command_at(at, node, command);
        }
        for (node, class) in uncounted_faults {
            world.record_fault(node, class);
        }
        if !stopped {
            break;
        }
    }
    world.run_until(end);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::plan;

    #[test]
    fn a_run_is_a_function_of_its_plan() {
        let once = |name, seed| run(plan(name, seed).unwrap(), 50);
        for (name, seed) in [("restart", 0), ("small-group", 1)] {
            let first = once(name, seed);
            assert_eq!(first.run.outcome, Ok(()), "{name} {seed}");
            assert!(first.run.events > 1_000 && first.lines.len() == 50);
            let again = once(name, seed);
            assert_eq!(
                (first.run.trace, first.lines, first.counts),
                (again.run.trace, again.lines, again.counts)
            );
            assert_ne!(first.run.trace, once(name, seed + 1).run.trace);
        }
    }
}
