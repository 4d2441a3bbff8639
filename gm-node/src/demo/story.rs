//! What the demo shows, in order: the group forms, a machine crashes and comes back, a range is handed over, a machine is lost for ever.

use std::future::pending;
use std::io::Write;
use std::time::{Duration, Instant};

use gm_data::KeyRange;
use gm_node::api::{Batch, Done, Forget, Join, Order, Topology, Wait};
use serde::Serialize;

use super::Args;
use super::cluster::{Cluster, Hears};
use super::letters::Part;
use super::picture::{GROUP, REDUNDANCY, agreement, found, picture};
use crate::cli::failure::Failure;
use crate::cli::table::{Left, Right, Table};

/// A customer that is looked for.
const CUSTOMER: &str = "Valjean";
const WAITS: Duration = Duration::from_secs(5);

/// The demo as far as it is told: the daemons, their roles, and how long things took.
struct Story<'a> {
    cluster: &'a mut Cluster,
    parts: Vec<Part>,
    times: Vec<(&'static str, Duration)>,
}

/// Tells all of it; with `keep` it does not end.
pub(super) async fn tell(cluster: &mut Cluster, args: Args) -> Result<(), Failure> {
    let begun = Instant::now();
    let machines = usize::from(args.nodes);
    let mut story = Story { cluster, parts: Part::all(machines - 1), times: Vec::new() };
    story.start(machines, !args.no_multicast).await?;
    story.serve().await?;
    story.crash().await?;
    story.hand_over().await?;
    story.lose().await?;
    story.sum_up(begun.elapsed())?;
    if args.keep {
        story.keep()?;
        pending::<()>().await;
    }
    Ok(())
}

impl Story<'_> {
    /// The last machine, which serves nothing at first.
    fn spare(&self) -> usize {
        self.cluster.machines.len() - 1
    }

    fn name(&self, index: usize) -> String {
        self.cluster.machines[index].name.clone()
    }

    fn took(&mut self, what: &'static str, time: Duration) {
        self.times.push((what, time));
    }

    async fn start(&mut self, machines: usize, multicast: bool) -> Result<(), Failure> {
        say(&format!("{machines} real daemons on this machine, in {}", self.cluster.dir.display()))?;
        let hears = self.cluster.settle(multicast).await?;
        say(&match hears {
            Hears::Works(group) => format!("Multicast works here, and is used: {group}."),
            Hears::Not(why) => format!("Without multicast ({why}): they call a seed, and TCP does it all."),
        })?;
        let begun = Instant::now();
        self.cluster.start(machines).await?;
        self.took("all daemons answer", begun.elapsed());
        let names =
            self.cluster.machines.iter().map(|machine| format!("{} is {}", machine.name, machine.node));
        say(&format!("{}.", names.collect::<Vec<_>>().join(", ")))
    }

    /// The seed's example: each part on a machine, and on the next one too.
    async fn serve(&mut self) -> Result<(), Failure> {
        let spare = self.spare();
        title(&format!(
            "One group, {GROUP:?}: every customer on {REDUNDANCY} machines, {} as a spare",
            self.name(spare)
        ))?;
        let begun = Instant::now();
        self.write(spare, "join", &Join { ranges: Vec::new(), wait: waits("none") }).await?;
        for worker in 0..spare {
            let before = (worker + spare - 1) % spare;
            let orders = vec![serve(self.parts[worker], worker, 2), serve(self.parts[before], worker, 1)];
            self.change(worker, orders, "none").await?;
        }
        let group = agreement(self.cluster, spare + 1).await?.1;
        self.took("the group is there, and all agree on it", begun.elapsed());
        self.show(spare).await?;
        say(&format!("All {} say the same: fingerprint {}.", spare + 1, group.fingerprint))
    }

    /// One is killed, misses something, and comes back.
    async fn crash(&mut self) -> Result<(), Failure> {
        let (victim, spare) = (self.spare() - 1, self.spare());
        let name = self.name(victim);
        title(&format!("{name} crashes (SIGKILL), and comes back with its directory"))?;
        self.cluster.machines[victim].kill()?;
        say(&format!(
            "Nobody takes {name} out for being silent: gm checks no health. The operator prefers M1 while it is away:"
        ))?;
        let range = self.parts[victim].range();
        let begun = Instant::now();
        self.change(0, vec![priority(range, "+2")], "none").await?;
        agreement(self.cluster, spare + 1).await?;
        self.took("a change of priority is known to all that run", begun.elapsed());
        self.show(spare).await?;
        let begun = Instant::now();
        self.cluster.restart(victim).await?;
        self.took("a daemon that was killed answers again", begun.elapsed());
        let (learnt, _) = agreement(self.cluster, spare + 1).await?;
        self.took("and knows what it missed, after", learnt);
        say(&format!("{name} is back, and holds what the others hold, what it missed too."))?;
        say(&found(self.cluster, CUSTOMER).await?)
    }

    /// A range goes from one to another, and is never served by fewer than before.
    async fn hand_over(&mut self) -> Result<(), Failure> {
        let (from, to) = (self.spare() - 1, self.spare());
        let part = self.parts[from];
        title(&format!("{} is handed over from {} to {}", part.name(), self.name(from), self.name(to)))?;
        let begun = Instant::now();
        let first = self.change(to, vec![serve(part, to, 4)], "all").await?;
        let second = self.change(from, vec![unserve(part.range())], "all").await?;
        self.took("a range is handed over, in two confirmed steps", begun.elapsed());
        say(&format!(
            "Two writes, so that it is never served by fewer: {} serves it ({}), then {} does not ({}).",
            self.name(to),
            outcome(&first),
            self.name(from),
            outcome(&second)
        ))?;
        agreement(self.cluster, to + 1).await?;
        self.show(0).await
    }

    /// One does not come back; what it served is taken over.
    async fn lose(&mut self) -> Result<(), Failure> {
        let (lost, spare) = (1, self.spare());
        let (name, node) = (self.name(lost), self.cluster.machines[lost].node.clone());
        title(&format!("{name} burns down: M1 forgets it, and {} takes its place", self.name(spare)))?;
        self.cluster.machines[lost].kill()?;
        let served = self.served_by(&node).await?;
        let begun = Instant::now();
        let forget = Forget { node, group: Some(GROUP.to_owned()), wait: waits("none") };
        let _: Vec<Done> = self.cluster.machines[0].client.post("/v1/forget", &forget, WAITS).await?;
        agreement(self.cluster, spare).await?;
        self.took("a member that was lost is forgotten by all", begun.elapsed());
        self.show(spare).await?;
        let orders = served.iter().map(|range| of_range(*range, spare, 1)).collect();
        let begun = Instant::now();
        self.change(spare, orders, "none").await?;
        agreement(self.cluster, spare).await?;
        self.took("what it served is served by another, all agree", begun.elapsed());
        self.show(0).await?;
        say(&found(self.cluster, CUSTOMER).await?)
    }

    fn sum_up(&mut self, all: Duration) -> Result<(), Failure> {
        title("It took")?;
        let mut table = Table::new(&[("WHAT", Left), ("TIME", Right)]);
        for (what, time) in self.times.iter().copied().chain([("all of this", all)]) {
            table.row([what.to_owned(), format!("{:.1} ms", time.as_secs_f64() * 1_000.0)]);
        }
        say(&table.to_string())
    }

    fn keep(&self) -> Result<(), Failure> {
        let program = std::env::current_exe()?.display().to_string();
        title("The daemons run until you press Ctrl-C. In another terminal:")?;
        let (first, last) = (&self.cluster.machines[0], &self.cluster.machines[self.spare()]);
        say(&format!(
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

    async fn show(&self, seen_by: usize) -> Result<(), Failure> {
        say(&picture(self.cluster, &self.parts, seen_by).await?)
    }

    /// The ranges that a node serves, as M1 has it.
    async fn served_by(&self, node: &str) -> Result<Vec<KeyRange>, Failure> {
        let uri = format!("/v1/groups/{GROUP}/topology?op=add");
        let topology: Topology = self.cluster.machines[0].client.get(&uri).await?;
        let of_node = topology.items.iter().filter(|item| item.node == node);
        Ok(of_node.filter_map(|item| KeyRange::new(item.start, item.end).ok()).collect())
    }

    async fn change(&self, machine: usize, changes: Vec<Order>, wait: &str) -> Result<Vec<Done>, Failure> {
        self.write(machine, "change", &Batch { changes, wait: waits(wait) }).await
    }

    async fn write(&self, machine: usize, what: &str, body: &impl Serialize) -> Result<Vec<Done>, Failure> {
        self.cluster.machines[machine].client.post(&format!("/v1/groups/{GROUP}/{what}"), body, WAITS).await
    }
}

fn serve(part: Part, machine: usize, priority: u16) -> Order {
    of_range(part.range(), machine, priority)
}

/// All have the same address here, so their services have ports of their own. Nobody listens there: gm says where a service is, not whether.
fn of_range(range: KeyRange, machine: usize, priority: u16) -> Order {
    let port = u16::try_from(machine).map_or(5_000, |machine| 5_001 + machine);
    Order::Serve { start: range.start(), end: range.end(), port, priority: Some(priority) }
}

fn unserve(range: KeyRange) -> Order {
    Order::Unserve { start: range.start(), end: range.end() }
}

fn priority(range: KeyRange, priority: &str) -> Order {
    Order::Priority { start: range.start(), end: range.end(), priority: priority.to_owned() }
}

fn waits(wait: &str) -> Wait {
    let timeout = u64::try_from(WAITS.as_millis()).unwrap_or(u64::MAX);
    Wait { wait: wait.to_owned(), disk: false, timeout }
}

/// How the wait for all whom it concerns ended.
fn outcome(done: &[Done]) -> String {
    let one = |done: &Done| match done.wait.as_str() {
        "satisfied" => format!("the {} members that it concerns acknowledged it", done.delivered),
        short => format!("{short}: {} of {} other members acknowledged it", done.delivered, done.members),
    };
    done.iter().map(one).collect()
}

fn title(title: &str) -> Result<(), Failure> {
    say(&format!("\n== {title}"))
}

fn say(text: &str) -> Result<(), Failure> {
    let mut output = std::io::stdout().lock();
    writeln!(output, "{}", text.trim_end()).and_then(|()| output.flush()).map_err(Failure::Output)
}
