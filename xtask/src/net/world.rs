//! Namespaces: a switch with a bridge for each island, a router between them, a namespace for each node. Their names hold our process id,
//! so that two runs do not clash, and all go when the stage does. Knows no scene.

use std::fmt::Write as _;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::node::Node;
use super::rules::Rules;
use crate::workspace::Workspace;

const PREFIX: &str = "gmnet-";

/// Where a node is.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) space: String,
    pub(super) ip: Ipv4Addr,
}

/// All that one scene needs.
pub(super) struct Stage {
    chat: PathBuf,
    key: PathBuf,
    spaces: Vec<String>,
    pub(super) nodes: Vec<Node>,
    rules: Vec<Rules>,
    remarks: Vec<String>,
}

impl Stage {
    pub(super) fn new(ws: &Workspace, chat: PathBuf) -> Result<Stage> {
        let folder = ws.target_folder().join("net");
        std::fs::create_dir_all(&folder).context("cannot make a folder for the key")?;
        let key = folder.join(format!("key-{}", std::process::id()));
        std::fs::write(&key, format!("{}\n", "c3".repeat(32))).context("cannot write the key")?;
        let (spaces, nodes, rules, remarks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        Ok(Stage { chat, key, spaces, nodes, rules, remarks })
    }

    fn space(&mut self, name: &str) -> Result<String> {
        let space = format!("{PREFIX}{}-{name}", std::process::id());
        ip(&format!("netns add {space}"))?;
        self.spaces.push(space.clone());
        ip(&format!("-n {space} link set lo up"))?;
        Ok(space)
    }

    /// Islands of so many places each; with a router if there are several.
    pub(super) fn islands(&mut self, sizes: &[usize]) -> Result<Vec<Vec<Place>>> {
        let switch = self.space("switch")?;
        let router = if sizes.len() > 1 { Some(self.space("router")?) } else { None };
        if let Some(router) = &router {
            let on = "echo 1 > /proc/sys/net/ipv4/ip_forward";
            output(Command::new("ip").args(["netns", "exec", router, "sh", "-c", on]))?;
        }
        let mut islands = Vec::new();
        for (island, size) in (0_u8..).zip(sizes) {
            ip(&format!("-n {switch} link add br{island} type bridge mcast_snooping 0"))?;
            ip(&format!("-n {switch} link set br{island} up"))?;
            if let Some(router) = &router {
                let (near, far) = (format!("r{island}"), format!("eth{island}"));
                cable(
                    &switch,
                    &near,
                    &format!("br{island}"),
                    router,
                    &far,
                    Ipv4Addr::new(10, 77, island, 254),
                )?;
            }
            let mut places = Vec::new();
            for node in (1_u8..).take(*size) {
                let space = self.space(&format!("{island}-{node}"))?;
                let address = Ipv4Addr::new(10, 77, island, node);
                cable(
                    &switch,
                    &format!("n{island}-{node}"),
                    &format!("br{island}"),
                    &space,
                    "eth0",
                    address,
                )?;
                let way =
                    if router.is_some() { format!("via 10.77.{island}.254") } else { "dev eth0".to_owned() };
                ip(&format!("-n {space} route add default {way}"))?;
                places.push(Place { space, ip: address });
            }
            islands.push(places);
        }
        Ok(islands)
    }

    /// The namespace in which all bridges are.
    pub(super) fn switch(&self) -> String {
        self.spaces.first().cloned().unwrap_or_default()
    }

    /// The namespace of the router.
    pub(super) fn router(&self) -> String {
        self.spaces.get(1).cloned().unwrap_or_default()
    }

    /// Starts a node at a place; its number is its place among `nodes`.
    pub(super) fn start(&mut self, place: &Place, flags: &[&str]) -> Result<usize> {
        let node = Node::start(&self.chat, &self.key, place, flags)?;
        self.nodes.push(node);
        Ok(self.nodes.len() - 1)
    }

    /// Rules in a namespace: what matches an expression is dropped, and counted.
    pub(super) fn drop_in(
        &mut self,
        space: &str,
        family: &'static str,
        hook: &str,
        expressions: &[&str],
    ) -> Result<usize> {
        self.rules.push(Rules::add(space, family, hook, expressions)?);
        Ok(self.rules.len() - 1)
    }

    /// Takes rules away; what they dropped is remembered.
    pub(super) fn lift(&mut self, rules: usize) -> Result<u64> {
        self.rules.get_mut(rules).context("there are no such rules")?.lift()
    }

    pub(super) fn dropped_by(&mut self, rules: usize) -> Result<u64> {
        self.rules.get_mut(rules).context("there are no such rules")?.dropped()
    }

    /// What all rules of the scene dropped; nothing if it has none. None dropped is an error: then the scene showed nothing.
    pub(super) fn dropped(&mut self) -> Result<Option<u64>> {
        let mut sum = 0;
        for rules in &mut self.rules {
            sum += rules.dropped()?;
        }
        match (self.rules.is_empty(), sum) {
            (true, _) => Ok(None),
            (false, 0) => bail!("its rules dropped nothing"),
            (false, sum) => Ok(Some(sum)),
        }
    }

    /// Something worth seeing.
    pub(super) fn remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    pub(super) fn remarks(&self) -> String {
        self.remarks.iter().fold(String::new(), |mut text, remark| {
            let _ = write!(text, "; {remark}");
            text
        })
    }

    /// After a failure: the last that every node said.
    pub(super) fn tell_all(&self) {
        for node in &self.nodes {
            println!("  {}: {}", node.me, node.last(12).join(" | "));
        }
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // Processes first: a namespace lives as long as somebody is in it.
        self.nodes.clear();
        for space in &self.spaces {
            if let Err(error) = ip(&format!("netns del {space}")) {
                eprintln!("{error:#}");
            }
        }
        let _ = std::fs::remove_file(&self.key);
    }
}

/// A cable from a port of a bridge to an interface with an address.
fn cable(switch: &str, port: &str, bridge: &str, space: &str, name: &str, address: Ipv4Addr) -> Result<()> {
    ip(&format!("-n {switch} link add {port} type veth peer name {name} netns {space}"))?;
    ip(&format!("-n {switch} link set {port} master {bridge} up"))?;
    ip(&format!("-n {space} addr add {address}/24 dev {name}"))?;
    ip(&format!("-n {space} link set {name} up"))
}

fn ip(words: &str) -> Result<()> {
    output(Command::new("ip").args(words.split_whitespace())).map(drop)
}

/// Runs a command quietly; what it says on standard output, or an error with what it said on the other.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output();
    let done = done.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !done.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Whether a namespace with rules can be made.
pub(super) fn try_out() -> Result<()> {
    let space = format!("{PREFIX}{}-try", std::process::id());
    ip(&format!("netns add {space}"))?;
    let rules = Rules::add(&space, "inet", "input", &["meta random & 3 == 0"]);
    ip(&format!("netns del {space}"))?;
    rules.map(drop)
}

/// Removes what runs left behind that were killed.
pub(super) fn sweep() -> Result<()> {
    for line in output(Command::new("ip").args(["netns", "list"]))?.lines() {
        let space = line.split_whitespace().next().unwrap_or_default();
        let pid = space.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if let Some(pid) = pid.filter(|pid| !Path::new("/proc").join(pid).exists()) {
            println!("removing {space}, left behind by process {pid}");
            for left in output(Command::new("ip").args(["netns", "pids", space]))?.split_whitespace() {
                let _ = Command::new("kill").args(["-KILL", left]).status();
            }
            ip(&format!("netns del {space}"))?;
        }
    }
    Ok(())
}
