//! Sequence of the demo: the group forms, a machine crashes and comes back, a range is handed over,
//! a machine is lost.

use std::future::pending;
use std::io::Write;
use std::time::{Duration, Instant};

use gm_daemon::api::{
    ChangeRequest, ForgetRequest, ItemList, JoinRequest, WaitCount, WaitOptions, WaitResult, WriteResult,
};
use gm_data::{Change, KeyRange};
use serde::Serialize;

use super::Args;
use super::cluster::{Cluster, MulticastTest};
use super::key_alphabet::LetterRange;
use super::report::{GROUP, REDUNDANCY, render_owners, render_topology, wait_in_sync};
use crate::cli::error::CommandError;
use crate::cli::table::{Left, Right, Table};

/// Customer to locate.
const CUSTOMER: &str = "Valjean";
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// State of the demo: the daemons, the parts that they serve, and measured times.
struct Script<'a> {
    cluster: &'a mut Cluster,
    parts: Vec<LetterRange>,
    times: Vec<(&'static str, Duration)>,
}

/// Runs the demo. With `keep` it does not return.
pub(super) async fn play(cluster: &mut Cluster, args: Args) -> Result<(), CommandError> {
    let started = Instant::now();
    let machines = usize::from(args.nodes);
    let mut script = Script { cluster, parts: LetterRange::all(machines - 1), times: Vec::new() };
    script.start(machines, !args.no_multicast).await?;
    script.serve().await?;
    script.crash().await?;
    script.hand_over().await?;
    script.lose_machine().await?;
    script.print_summary(started.elapsed())?;
    if args.keep {
        script.keep()?;
        pending::<()>().await;
    }
    Ok(())
}

impl Script<'_> {
    /// Index of the last machine, which is a spare at first.
    fn spare_index(&self) -> usize {
        self.cluster.daemons.len() - 1
    }

    fn name(&self, index: usize) -> String {
        self.cluster.daemons[index].name.clone()
    }

    fn record_time(&mut self, what: &'static str, time: Duration) {
        self.times.push((what, time));
    }

    async fn start(&mut self, machines: usize, multicast: bool) -> Result<(), CommandError> {
        print(&format!("{machines} real daemons on this machine, in {}", self.cluster.dir.display()))?;
        let multicast = self.cluster.configure(multicast).await?;
        print(&match multicast {
            MulticastTest::Works(group) => format!("Multicast works here and is used: {group}."),
            MulticastTest::Fails(why) => {
                format!("Without multicast ({why}): the daemons find each other by a seed and use TCP only.")
            }
        })?;
        let started = Instant::now();
        self.cluster.start(machines).await?;
        self.record_time("all daemons answer", started.elapsed());
        let names =
            self.cluster.daemons.iter().map(|machine| format!("{} is {}", machine.name, machine.node));
        print(&format!("{}.", names.collect::<Vec<_>>().join(", ")))
    }

    /// Serves each part of the alphabet on one machine, and on the next one too.
    async fn serve(&mut self) -> Result<(), CommandError> {
        let spare = self.spare_index();
        title(&format!(
            "One group, {GROUP:?}: every customer on {REDUNDANCY} machines, {} as a spare",
            self.name(spare)
        ))?;
        let started = Instant::now();
        self.write(spare, "join", &JoinRequest { ranges: Vec::new(), wait: wait_options(WaitCount::None) })
            .await?;
        for worker in 0..spare {
            let before = (worker + spare - 1) % spare;
            let orders = vec![serve(self.parts[worker], worker, 2), serve(self.parts[before], worker, 1)];
            self.change(worker, orders, WaitCount::None).await?;
        }
        let group = wait_in_sync(self.cluster, spare + 1).await?.1;
        self.record_time("the group has formed, and all are in sync", started.elapsed());
        self.show(spare).await?;
        print(&format!("All {} are in sync: fingerprint {}.", spare + 1, group.fingerprint))
    }

    /// Kills a machine, changes the group, and restarts the machine.
    async fn crash(&mut self) -> Result<(), CommandError> {
        let (victim, spare) = (self.spare_index() - 1, self.spare_index());
        let name = self.name(victim);
        title(&format!("{name} crashes (SIGKILL) and comes back with its directory"))?;
        self.cluster.daemons[victim].kill()?;
        print(&format!(
            "{name} remains a member while it is down: gm does not detect failures. The operator prefers M1 in the meantime:"
        ))?;
        let range = self.parts[victim].range();
        let started = Instant::now();
        self.change(0, vec![Change::Raise { range, by: 2, port: None }], WaitCount::None).await?;
        wait_in_sync(self.cluster, spare + 1).await?;
        self.record_time("a change of priority reaches all running daemons", started.elapsed());
        self.show(spare).await?;
        let started = Instant::now();
        self.cluster.restart(victim).await?;
        self.record_time("a killed daemon answers again", started.elapsed());
        let (caught_up, _) = wait_in_sync(self.cluster, spare + 1).await?;
        self.record_time("and has caught up with the others after", caught_up);
        print(&format!("{name} is back and in sync with the others, including the change that it missed."))?;
        print(&render_owners(self.cluster, CUSTOMER).await?)
    }

    /// Moves a range from one machine to another without reducing its redundancy.
    async fn hand_over(&mut self) -> Result<(), CommandError> {
        let (from, to) = (self.spare_index() - 1, self.spare_index());
        let part = self.parts[from];
        title(&format!("{} is handed over from {} to {}", part.name(), self.name(from), self.name(to)))?;
        let started = Instant::now();
        let first = self.change(to, vec![serve(part, to, 4)], WaitCount::All).await?;
        let second = self.change(from, vec![Change::Unserve(part.range())], WaitCount::All).await?;
        self.record_time("a range is handed over, in two acknowledged steps", started.elapsed());
        print(&format!(
            "Two writes keep the redundancy: first {} serves it ({}), then {} withdraws it ({}).",
            self.name(to),
            outcome(&first),
            self.name(from),
            outcome(&second)
        ))?;
        wait_in_sync(self.cluster, to + 1).await?;
        self.show(0).await
    }

    /// Loses a machine for good; the spare takes over its ranges.
    async fn lose_machine(&mut self) -> Result<(), CommandError> {
        let (lost, spare) = (1, self.spare_index());
        let (name, node) = (self.name(lost), self.cluster.daemons[lost].node.clone());
        title(&format!("{name} is lost for good: M1 forgets it, and {} takes its place", self.name(spare)))?;
        self.cluster.daemons[lost].kill()?;
        let served = self.served_by(&node).await?;
        let started = Instant::now();
        let forget =
            ForgetRequest { node, group: Some(GROUP.to_owned()), wait: wait_options(WaitCount::None) };
        let _: Vec<WriteResult> =
            self.cluster.daemons[0].client.post("/v1/forget", &forget, WAIT_TIMEOUT).await?;
        wait_in_sync(self.cluster, spare).await?;
        self.record_time("all daemons have forgotten the lost member", started.elapsed());
        self.show(spare).await?;
        let orders = served.iter().map(|range| of_range(*range, spare, 1)).collect();
        let started = Instant::now();
        self.change(spare, orders, WaitCount::None).await?;
        wait_in_sync(self.cluster, spare).await?;
        self.record_time("its ranges are served by another, and all are in sync", started.elapsed());
        self.show(0).await?;
        print(&render_owners(self.cluster, CUSTOMER).await?)
    }

    fn print_summary(&mut self, all: Duration) -> Result<(), CommandError> {
        title("Measured times")?;
        let mut table = Table::new(&[("STEP", Left), ("TIME", Right)]);
        for (what, time) in self.times.iter().copied().chain([("the whole demo", all)]) {
            table.row([what.to_owned(), format!("{:.1} ms", time.as_secs_f64() * 1_000.0)]);
        }
        print(&table.to_string())
    }

    fn keep(&self) -> Result<(), CommandError> {
        let program = std::env::current_exe()?.display().to_string();
        title("The daemons run until you press Ctrl-C. In another terminal:")?;
        let (first, last) = (&self.cluster.daemons[0], &self.cluster.daemons[self.spare_index()]);
        print(&format!(
            "gm={program}\n\
             export GROUP_MANAGER_API={api}                          # M1\n\
             $gm status\n\
             $gm topology {GROUP}\n\
             $gm coverage {GROUP} --require 2\n\
             $gm locate {GROUP} 0xd0000000\n\
             $gm serve {GROUP} 0xf0000000-0xffffffff --port 5001 --priority 9 --wait all\n\
             $gm locate {GROUP} 0xf1234567 --api {other}             # {name} returns the same\n\
             $gm watch {GROUP}",
            api = first.api(),
            other = last.api(),
            name = last.name,
        ))
    }

    async fn show(&self, seen_by: usize) -> Result<(), CommandError> {
        print(&render_topology(self.cluster, &self.parts, seen_by).await?)
    }

    /// Ranges that a node serves, according to M1.
    async fn served_by(&self, node: &str) -> Result<Vec<KeyRange>, CommandError> {
        let uri = format!("/v1/groups/{GROUP}/topology?op=add");
        let topology: ItemList = self.cluster.daemons[0].client.get(&uri).await?;
        let of_node = topology.items.iter().filter(|item| item.node == node);
        Ok(of_node.filter_map(|item| KeyRange::new(item.start, item.end).ok()).collect())
    }

    async fn change(
        &self,
        machine: usize,
        changes: Vec<Change>,
        wait: WaitCount,
    ) -> Result<Vec<WriteResult>, CommandError> {
        self.write(machine, "change", &ChangeRequest { changes, wait: wait_options(wait) }).await
    }

    async fn write(
        &self,
        machine: usize,
        what: &str,
        body: &impl Serialize,
    ) -> Result<Vec<WriteResult>, CommandError> {
        self.cluster.daemons[machine]
            .client
            .post(&format!("/v1/groups/{GROUP}/{what}"), body, WAIT_TIMEOUT)
            .await
    }
}

fn serve(part: LetterRange, machine: usize, priority: u16) -> Change {
    of_range(part.range(), machine, priority)
}

/// Serves a range. All machines have the same address here, so each has its own service port. No
/// service runs: gm only publishes addresses.
fn of_range(range: KeyRange, machine: usize, priority: u16) -> Change {
    let port = u16::try_from(machine).map_or(5_000, |machine| 5_001 + machine);
    Change::Serve { range, port: Some(port), priority }
}

fn wait_options(wait: WaitCount) -> WaitOptions {
    let timeout = u64::try_from(WAIT_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
    WaitOptions { wait, disk: false, timeout }
}

/// Result of a wait for all affected members.
fn outcome(done: &[WriteResult]) -> String {
    let one = |done: &WriteResult| match done.wait {
        WaitResult::Satisfied => format!("all {} affected members acknowledged", done.acknowledged),
        _ => format!("only {} of {} other members acknowledged", done.acknowledged, done.members),
    };
    done.iter().map(one).collect()
}

fn title(title: &str) -> Result<(), CommandError> {
    print(&format!("\n== {title}"))
}

fn print(text: &str) -> Result<(), CommandError> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", text.trim_end()).and_then(|()| output.flush()).map_err(CommandError::Output)
}
