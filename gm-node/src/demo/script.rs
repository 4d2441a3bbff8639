//! What the demo shows, in order: the group forms, a machine crashes and comes back, a range is
//! handed over, a machine is lost for ever.

use std::future::pending;
use std::io::Write;
use std::time::{Duration, Instant};

use gm_data::KeyRange;
use gm_node::api::{
    ChangeRequest, ForgetRequest, ItemList, JoinRequest, RangeChange, WaitOptions, WriteResult,
};
use serde::Serialize;

use super::Args;
use super::cluster::{Cluster, MulticastTest};
use super::key_alphabet::LetterRange;
use super::report::{GROUP, REDUNDANCY, render_owners, render_topology, wait_in_sync};
use crate::cli::error::CommandError;
use crate::cli::table::{Left, Right, Table};

/// A customer that is looked for.
const CUSTOMER: &str = "Valjean";
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The demo as far as it is told: the daemons, their roles, and how long things took.
struct Script<'a> {
    cluster: &'a mut Cluster,
    parts: Vec<LetterRange>,
    times: Vec<(&'static str, Duration)>,
}

/// Tells all of it; with `keep` it does not end.
pub(super) async fn play(cluster: &mut Cluster, args: Args) -> Result<(), CommandError> {
    let begun = Instant::now();
    let machines = usize::from(args.nodes);
    let mut story = Script { cluster, parts: LetterRange::all(machines - 1), times: Vec::new() };
    story.start(machines, !args.no_multicast).await?;
    story.serve().await?;
    story.crash().await?;
    story.hand_over().await?;
    story.lose_machine().await?;
    story.print_summary(begun.elapsed())?;
    if args.keep {
        story.keep()?;
        pending::<()>().await;
    }
    Ok(())
}

impl Script<'_> {
    /// The last machine, which serves nothing at first.
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
        let hears = self.cluster.configure(multicast).await?;
        print(&match hears {
            MulticastTest::Works(group) => format!("Multicast works here, and is used: {group}."),
            MulticastTest::Fails(why) => {
                format!("Without multicast ({why}): they call a seed, and TCP does it all.")
            }
        })?;
        let begun = Instant::now();
        self.cluster.start(machines).await?;
        self.record_time("all daemons answer", begun.elapsed());
        let names =
            self.cluster.daemons.iter().map(|machine| format!("{} is {}", machine.name, machine.node));
        print(&format!("{}.", names.collect::<Vec<_>>().join(", ")))
    }

    /// The seed's example: each part on a machine, and on the next one too.
    async fn serve(&mut self) -> Result<(), CommandError> {
        let spare = self.spare_index();
        title(&format!(
            "One group, {GROUP:?}: every customer on {REDUNDANCY} machines, {} as a spare",
            self.name(spare)
        ))?;
        let begun = Instant::now();
        self.write(spare, "join", &JoinRequest { ranges: Vec::new(), wait: wait_options("none") }).await?;
        for worker in 0..spare {
            let before = (worker + spare - 1) % spare;
            let orders = vec![serve(self.parts[worker], worker, 2), serve(self.parts[before], worker, 1)];
            self.change(worker, orders, "none").await?;
        }
        let group = wait_in_sync(self.cluster, spare + 1).await?.1;
        self.record_time("the group is there, and all agree on it", begun.elapsed());
        self.show(spare).await?;
        print(&format!("All {} say the same: fingerprint {}.", spare + 1, group.fingerprint))
    }

    /// One is killed, misses something, and comes back.
    async fn crash(&mut self) -> Result<(), CommandError> {
        let (victim, spare) = (self.spare_index() - 1, self.spare_index());
        let name = self.name(victim);
        title(&format!("{name} crashes (SIGKILL), and comes back with its directory"))?;
        self.cluster.daemons[victim].kill()?;
        print(&format!(
            "Nobody takes {name} out for being silent: gm checks no health. The operator prefers M1 while it is away:"
        ))?;
        let range = self.parts[victim].range();
        let begun = Instant::now();
        self.change(0, vec![priority(range, "+2")], "none").await?;
        wait_in_sync(self.cluster, spare + 1).await?;
        self.record_time("a change of priority is known to all that run", begun.elapsed());
        self.show(spare).await?;
        let begun = Instant::now();
        self.cluster.restart(victim).await?;
        self.record_time("a daemon that was killed answers again", begun.elapsed());
        let (learnt, _) = wait_in_sync(self.cluster, spare + 1).await?;
        self.record_time("and knows what it missed, after", learnt);
        print(&format!("{name} is back, and holds what the others hold, what it missed too."))?;
        print(&render_owners(self.cluster, CUSTOMER).await?)
    }

    /// A range goes from one to another, and is never served by fewer than before.
    async fn hand_over(&mut self) -> Result<(), CommandError> {
        let (from, to) = (self.spare_index() - 1, self.spare_index());
        let part = self.parts[from];
        title(&format!("{} is handed over from {} to {}", part.name(), self.name(from), self.name(to)))?;
        let begun = Instant::now();
        let first = self.change(to, vec![serve(part, to, 4)], "all").await?;
        let second = self.change(from, vec![unserve(part.range())], "all").await?;
        self.record_time("a range is handed over, in two confirmed steps", begun.elapsed());
        print(&format!(
            "Two writes, so that it is never served by fewer: {} serves it ({}), then {} does not ({}).",
            self.name(to),
            outcome(&first),
            self.name(from),
            outcome(&second)
        ))?;
        wait_in_sync(self.cluster, to + 1).await?;
        self.show(0).await
    }

    /// One does not come back; what it served is taken over.
    async fn lose_machine(&mut self) -> Result<(), CommandError> {
        let (lost, spare) = (1, self.spare_index());
        let (name, node) = (self.name(lost), self.cluster.daemons[lost].node.clone());
        title(&format!("{name} burns down: M1 forgets it, and {} takes its place", self.name(spare)))?;
        self.cluster.daemons[lost].kill()?;
        let served = self.served_by(&node).await?;
        let begun = Instant::now();
        let forget = ForgetRequest { node, group: Some(GROUP.to_owned()), wait: wait_options("none") };
        let _: Vec<WriteResult> =
            self.cluster.daemons[0].client.post("/v1/forget", &forget, WAIT_TIMEOUT).await?;
        wait_in_sync(self.cluster, spare).await?;
        self.record_time("a member that was lost is forgotten by all", begun.elapsed());
        self.show(spare).await?;
        let orders = served.iter().map(|range| of_range(*range, spare, 1)).collect();
        let begun = Instant::now();
        self.change(spare, orders, "none").await?;
        wait_in_sync(self.cluster, spare).await?;
        self.record_time("what it served is served by another, all agree", begun.elapsed());
        self.show(0).await?;
        print(&render_owners(self.cluster, CUSTOMER).await?)
    }

    fn print_summary(&mut self, all: Duration) -> Result<(), CommandError> {
        title("It took")?;
        let mut table = Table::new(&[("WHAT", Left), ("TIME", Right)]);
        for (what, time) in self.times.iter().copied().chain([("all of this", all)]) {
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
             $gm locate {GROUP} 0xf1234567 --api {other}             # {name} knows it too\n\
             $gm watch {GROUP}",
            api = first.api(),
            other = last.api(),
            name = last.name,
        ))
    }

    async fn show(&self, seen_by: usize) -> Result<(), CommandError> {
        print(&render_topology(self.cluster, &self.parts, seen_by).await?)
    }

    /// The ranges that a node serves, as M1 has it.
    async fn served_by(&self, node: &str) -> Result<Vec<KeyRange>, CommandError> {
        let uri = format!("/v1/groups/{GROUP}/topology?op=add");
        let topology: ItemList = self.cluster.daemons[0].client.get(&uri).await?;
        let of_node = topology.items.iter().filter(|item| item.node == node);
        Ok(of_node.filter_map(|item| KeyRange::new(item.start, item.end).ok()).collect())
    }

    async fn change(
        &self,
        machine: usize,
        changes: Vec<RangeChange>,
        wait: &str,
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

fn serve(part: LetterRange, machine: usize, priority: u16) -> RangeChange {
    of_range(part.range(), machine, priority)
}

/// All have the same address here, so their services have ports of their own. Nobody listens there:
/// gm says where a service is, not whether.
fn of_range(range: KeyRange, machine: usize, priority: u16) -> RangeChange {
    let port = u16::try_from(machine).map_or(5_000, |machine| 5_001 + machine);
    RangeChange::Serve { start: range.start(), end: range.end(), port, priority: Some(priority) }
}

fn unserve(range: KeyRange) -> RangeChange {
    RangeChange::Unserve { start: range.start(), end: range.end() }
}

fn priority(range: KeyRange, priority: &str) -> RangeChange {
    RangeChange::Priority { start: range.start(), end: range.end(), priority: priority.to_owned() }
}

fn wait_options(wait: &str) -> WaitOptions {
    let timeout = u64::try_from(WAIT_TIMEOUT.as_millis()).unwrap_or(u64::MAX);
    WaitOptions { wait: wait.to_owned(), disk: false, timeout }
}

/// How the wait for all whom it concerns ended.
fn outcome(done: &[WriteResult]) -> String {
    let one = |done: &WriteResult| match done.wait.as_str() {
        "satisfied" => format!("the {} members that it concerns acknowledged it", done.acknowledged),
        short => format!("{short}: {} of {} other members acknowledged it", done.acknowledged, done.members),
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
