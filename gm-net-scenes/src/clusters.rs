//! Cluster of daemons for a scene: starts daemons, writes through each, and checks that they are in
//! sync.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::daemon::{CommandOutput, Daemon, DaemonSettings};
use crate::namespaces::{self, Host};
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

pub(crate) type DaemonCluster = namespaces::Cluster<Daemon>;

/// Default group of the scenes.
pub(crate) const GROUP: &str = "Customers";
/// Default port of the daemons.
pub(crate) const PORT: u16 = 29_999;

/// Ranges that a member serves: port and priority by range.
pub(crate) type Ranges = BTreeMap<(u32, u32), (u16, u16)>;

/// Expected size of a group state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ExpectedState {
    pub(crate) members: usize,
    pub(crate) items: usize,
}

impl DaemonCluster {
    /// Adds a daemon without starting it. Returns its index in `nodes`.
    pub(crate) fn add(&mut self, host: &Host, port: u16, flags: &[&str]) -> Result<usize> {
        let number = self.nodes.len();
        let setting = DaemonSettings {
            program: self.program.clone(),
            cluster: "net".to_owned(),
            key: self.key.clone(),
            dir: self.folder.join(format!("n{number}")),
            keeps: true,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
        };
        self.nodes.push(Daemon::new(host, port, setting)?);
        Ok(number)
    }

    /// Starts a daemon with these flags on each host.
    pub(crate) fn start_all<'a>(
        &mut self,
        hosts: impl IntoIterator<Item = &'a Host>,
        flags: &[&str],
    ) -> Result<Vec<usize>> {
        let mut all = Vec::new();
        for host in hosts {
            all.push(self.add(host, PORT, flags)?);
        }
        self.run(&all)?;
        Ok(all)
    }

    /// Starts a daemon on each host of each island. The first daemon is the only seed, of all
    /// islands but its own.
    pub(crate) fn start_islands(&mut self, islands: &[Vec<Host>]) -> Result<Vec<Vec<usize>>> {
        let first = islands.first().and_then(|island| island.first()).context("there is a host")?;
        let seed = std::net::SocketAddr::new(first.ip, PORT).to_string();
        let mut started = Vec::new();
        for (number, island) in islands.iter().enumerate() {
            let flags: &[&str] = if number == 0 { &[] } else { &["--seed", &seed] };
            started.push(self.start_all(island, flags)?);
        }
        Ok(started)
    }

    /// Starts these daemons at the same time, and waits until each answers.
    pub(crate) fn run(&mut self, which: &[usize]) -> Result<()> {
        for number in which {
            self.node_mut(*number)?.spawn()?;
        }
        which.iter().try_for_each(|number| self.node_mut(*number)?.ready())
    }

    pub(crate) fn node(&self, number: usize) -> Result<&Daemon> {
        self.nodes.get(number).context("there is no such daemon")
    }

    pub(crate) fn node_mut(&mut self, number: usize) -> Result<&mut Daemon> {
        self.nodes.get_mut(number).context("there is no such daemon")
    }

    /// Serves a range with the given flags for acknowledgements.
    pub(crate) fn serve(&self, number: usize, range: (u32, u32), wait: &[&str]) -> Result<CommandOutput> {
        let range = range_argument(range);
        self.node(number)?.cli(&[&["serve", GROUP, &range, "--port", "5432"], wait].concat())
    }

    /// Waits until these daemons are in sync for a group and it has the expected size. Returns the
    /// time since `since`.
    pub(crate) fn wait_in_sync(
        &self,
        which: &[usize],
        group: &str,
        want: ExpectedState,
        since: Instant,
    ) -> Result<Duration> {
        let mut seen = String::new();
        let mut fingerprint = String::new();
        let agreed = wait_for("equal group states", DEFAULT_TIMEOUT, || {
            fingerprint.clear();
            for number in which {
                let (has, print) = self.group_size(*number, group)?;
                let first = fingerprint.is_empty();
                if has != Some(want) || !(first || fingerprint == print) {
                    seen = format!(
                        "{} has {has:?} {print}, expected {want:?} {fingerprint}",
                        self.node(*number)?.me
                    );
                    return Ok(false);
                }
                fingerprint = print;
            }
            Ok(true)
        });
        agreed.with_context(|| seen)?;
        let took = since.elapsed();
        // The command `wait` must confirm it.
        for number in which {
            self.node(*number)?.ok(&["wait", group, "--fingerprint", &fingerprint, "--timeout", "1s"])?;
        }
        Ok(took)
    }

    /// Size and fingerprint of a group at a daemon; `None` if it does not host the group.
    fn group_size(&self, number: usize, group: &str) -> Result<(Option<ExpectedState>, String)> {
        let status = self.node(number)?.ok(&["status"])?;
        let groups = status["groups"].as_array().context("a status has groups")?;
        let Some(group) = groups.iter().find(|entry| entry["name"] == group) else {
            return Ok((None, String::new()));
        };
        let count = |name: &str| group[name].as_u64().and_then(|count| usize::try_from(count).ok());
        let want = ExpectedState {
            members: count("members").context("a group has members")?,
            items: count("items").context("a group has items")?,
        };
        let fingerprint = group["fingerprint"].as_str().unwrap_or_default();
        let good = fingerprint.len() == 32 && fingerprint.bytes().all(|c| b"0123456789abcdef".contains(&c));
        ensure!(good, "a fingerprint has 32 lower-case hexadecimal digits: {fingerprint}");
        Ok((Some(want), fingerprint.to_owned()))
    }

    /// The owners of a key, as NetIds in order. An error if these daemons return different owners.
    pub(crate) fn owners(&self, which: &[usize], group: &str, key: u32) -> Result<Vec<String>> {
        let mut same: Option<Value> = None;
        for number in which {
            let mut located = self.node(*number)?.ok(&["locate", group, &key.to_string(), "--fresh"])?;
            // The peers with which the daemons compared the group differ.
            located["sync"] = Value::Null;
            match &same {
                None => same = Some(located),
                Some(first) => {
                    ensure!(
                        *first == located,
                        "{} returns different owners of {key}: {located}",
                        self.node(*number)?.me
                    );
                }
            }
        }
        let located = same.context("no daemon was asked")?;
        let owners = located["owners"].as_array().context("a key has a list of owners")?;
        owners
            .iter()
            .map(|owner| Ok(owner["node"].as_str().context("an owner has a name")?.to_owned()))
            .collect()
    }

    /// The ranges that a member serves, according to the daemon `by`.
    pub(crate) fn served(&self, by: usize, group: &str, member: &str) -> Result<Ranges> {
        let output = self.node(by)?.cli(&["topology", group, "--op", "add"])?;
        // The result counts even if the group was not compared with another node (exit code 7).
        ensure!([0, 7].contains(&output.code), "{}: {}", self.node(by)?.me, output.text.trim());
        let items = output.json["items"].as_array().context("a topology has a list")?;
        let mut ranges = Ranges::new();
        for item in items.iter().filter(|item| item["node"] == member) {
            let key = |name: &str| item[name].as_u64().and_then(|key| u32::try_from(key).ok());
            let small = |name: &str| item[name].as_u64().and_then(|number| u16::try_from(number).ok());
            let range = (key("start").context("no start")?, key("end").context("no end")?);
            let served = (small("port").context("no port")?, small("priority").context("no priority")?);
            ensure!(ranges.insert(range, served).is_none(), "{range:?} is listed twice");
        }
        Ok(ranges)
    }

    /// The NetIds in the list that a command returns.
    pub(crate) fn names(&self, number: usize, question: &[&str]) -> Result<Vec<String>> {
        let fresh: &[&str] = if question.first() == Some(&"members") { &["--fresh"] } else { &[] };
        let list = self.node(number)?.ok(&[question, fresh].concat())?;
        let list = list.get("members").unwrap_or(&list).as_array().context("it is a list")?;
        list.iter().map(|entry| Ok(entry["node"].as_str().context("it has a node")?.to_owned())).collect()
    }

    /// Waits until each of these daemons lists `count` peers.
    pub(crate) fn wait_peers(&self, which: &[usize], count: usize) -> Result<()> {
        for number in which {
            let what = format!("{} to list {count} peers", self.node(*number)?.me);
            wait_for(&what, DEFAULT_TIMEOUT, || Ok(self.names(*number, &["peers"])?.len() >= count))?;
        }
        Ok(())
    }
}

/// Checks that the wait of a write was satisfied with at least `by` acknowledgements.
pub(crate) fn check_satisfied(output: &CommandOutput, by: usize) -> Result<()> {
    // One answer for each group that was written in.
    let done = &output.json[0];
    let delivered = done["acknowledged"].as_u64().unwrap_or_default();
    ensure!(
        output.code == 0 && done["wait"] == "satisfied" && delivered >= by as u64,
        "a write that waits for {by} acknowledgements ended with {}: {}",
        output.code,
        output.text.trim()
    );
    Ok(())
}

/// Checks that a write was committed, whether its wait was satisfied (exit code 0) or not (4).
pub(crate) fn check_committed(output: &CommandOutput) -> Result<()> {
    if output.code == 0 || output.code == 4 {
        return Ok(());
    }
    bail!("a write ended with {}: {}", output.code, output.text.trim())
}

/// A range in the notation of the command line.
pub(crate) fn range_argument((start, end): (u32, u32)) -> String {
    format!("{start:#x}-{end:#x}")
}

/// Part `number` of the key space, divided into `of` parts of equal width. The remainder belongs to
/// no part.
pub(crate) fn part(number: usize, of: usize) -> (u32, u32) {
    let number = u32::try_from(number).unwrap_or(u32::MAX);
    let width = u32::MAX / u32::try_from(of).unwrap_or(u32::MAX).max(1);
    let start = number.saturating_mul(width);
    (start, start.saturating_add(width - 1))
}

/// A time in seconds, formatted for a remark.
pub(crate) fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_the_key_space_do_not_overlap() {
        let parts: Vec<_> = (0..7).map(|number| part(number, 7)).collect();
        assert_eq!(parts[0].0, 0);
        assert!(parts.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        assert_eq!(range_argument((0, 255)), "0x0-0xff");
    }

    #[test]
    fn timed_out_writes_are_committed_refused_ones_are_not() {
        let output = |code| CommandOutput { code, json: Value::Null, text: String::new() };
        assert!(check_committed(&output(0)).is_ok() && check_committed(&output(4)).is_ok());
        assert!(check_committed(&output(1)).is_err() && check_committed(&output(3)).is_err());
        assert!(check_satisfied(&output(0), 0).is_err(), "the output has no satisfied wait");
    }
}
