//! Environment of a scene: namespaces, a folder, drop rules, and the processes.
//!
//! Names contain the process id and a number, so that neither two runs nor two scenes of a run
//! clash. Dropping a cluster removes all of it.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

use crate::rules::RuleSet;

const PREFIX: &str = "gmnet-";
/// Folder in which `ip netns exec` looks for replacements of files in `/etc`.
pub(crate) const ETC: &str = "/etc/netns";

/// Location of a node: namespace and address.
#[derive(Clone, Debug)]
pub(crate) struct Host {
    pub(crate) namespace: String,
    pub(crate) ip: IpAddr,
}

/// A process of a scene.
pub(crate) trait Process {
    fn name(&self) -> &str;

    /// The last lines of its output.
    fn last(&self, count: usize) -> Vec<String>;
}

/// Environment of one scene.
pub(crate) struct Cluster<N> {
    pub(crate) program: PathBuf,
    /// Path of the default key.
    pub(crate) key: PathBuf,
    /// Folder for files. Its path is short, because it holds Unix sockets.
    pub(crate) folder: PathBuf,
    /// Beginning of the names of its namespaces.
    prefix: String,
    spaces: Vec<String>,
    pub(crate) nodes: Vec<N>,
    rules: Vec<RuleSet>,
    remarks: Vec<String>,
}

impl<N> Cluster<N> {
    pub(crate) fn new(program: PathBuf) -> Result<Cluster<N>> {
        let prefix = next_prefix();
        let folder = std::env::temp_dir().join(&prefix);
        DirBuilder::new().mode(0o700).create(&folder).context("cannot make a folder for the scene")?;
        let (spaces, nodes, rules, remarks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let key = folder.join("key");
        let mut cluster = Cluster { program, key, folder, prefix, spaces, nodes, rules, remarks };
        cluster.key = cluster.new_key("key")?;
        Ok(cluster)
    }

    /// Makes a file with a new key.
    pub(crate) fn new_key(&self, name: &str) -> Result<PathBuf> {
        let mut key = [0; 32];
        let random = File::open("/dev/urandom").and_then(|mut random| random.read_exact(&mut key));
        random.context("the system has no random bytes")?;
        let path = self.folder.join(name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
        let digits = key.iter().fold(String::new(), |digits, byte| format!("{digits}{byte:02x}"));
        let written = file.and_then(|mut file| writeln!(file, "{digits}"));
        written.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    pub(crate) fn create_namespace(&mut self, name: &str) -> Result<String> {
        let namespace = format!("{}-{name}", self.prefix);
        ip(&format!("netns add {namespace}"))?;
        self.spaces.push(namespace.clone());
        ip(&format!("-n {namespace} link set lo up"))?;
        Ok(namespace)
    }

    /// The namespace with all bridges.
    pub(crate) fn switch(&self) -> String {
        self.spaces.first().cloned().unwrap_or_default()
    }

    /// The namespace of the router.
    pub(crate) fn router(&self) -> String {
        self.spaces.get(1).cloned().unwrap_or_default()
    }

    /// Adds rules in a namespace that drop and count the packets that match an expression. Returns
    /// their index.
    pub(crate) fn add_drop_rule(
        &mut self,
        namespace: &str,
        family: &'static str,
        hook: &str,
        expressions: &[&str],
    ) -> Result<usize> {
        self.rules.push(RuleSet::add(namespace, family, hook, expressions)?);
        Ok(self.rules.len() - 1)
    }

    /// Removes rules and keeps the number of packets that they dropped.
    pub(crate) fn remove_rule(&mut self, rules: usize) -> Result<u64> {
        self.rules.get_mut(rules).context("there are no such rules")?.remove()
    }

    pub(crate) fn dropped_by_rule(&mut self, rules: usize) -> Result<u64> {
        self.rules.get_mut(rules).context("there are no such rules")?.matched()
    }

    /// Number of packets that all rules of the scene dropped; `None` if it has no rules. It is an
    /// error if the rules dropped no packet, because then the scene tested nothing.
    pub(crate) fn dropped(&mut self) -> Result<Option<u64>> {
        let mut sum = 0;
        for rules in &mut self.rules {
            sum += rules.matched()?;
        }
        match (self.rules.is_empty(), sum) {
            (true, _) => Ok(None),
            (false, 0) => bail!("its drop rules matched no packet"),
            (false, sum) => Ok(Some(sum)),
        }
    }

    /// Adds a remark to the result line of the scene.
    pub(crate) fn add_remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    pub(crate) fn remarks(&self) -> String {
        self.remarks.iter().fold(String::new(), |mut text, remark| {
            let _ = write!(text, "; {remark}");
            text
        })
    }

    /// The last output lines of every node, for the report of a failure.
    pub(crate) fn last_lines(&self) -> String
    where
        N: Process,
    {
        self.nodes.iter().fold(String::new(), |text, node| {
            format!("{text}\n  {}: {}", node.name(), node.last(12).join(" | "))
        })
    }
}

impl<N> Drop for Cluster<N> {
    fn drop(&mut self) {
        // Processes first: a namespace exists as long as a process is in it.
        self.nodes.clear();
        for namespace in &self.spaces {
            if let Err(error) = ip(&format!("netns del {namespace}")) {
                eprintln!("{error:#}");
            }
        }
        if let Err(error) = remove_folder(&self.folder) {
            eprintln!("{error:#}");
        }
    }
}

/// A new beginning of names: the process id shows whose they are, the number is new in this
/// process.
fn next_prefix() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{PREFIX}{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

pub(crate) fn ip(words: &str) -> Result<()> {
    output(Command::new("ip").args(words.split_whitespace())).map(drop)
}

/// Runs a command. Returns its standard output, or an error with its standard error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output();
    let done = done.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !done.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Checks that a namespace with rules can be created.
pub(crate) fn check_namespaces() -> Result<()> {
    let namespace = next_prefix();
    ip(&format!("netns add {namespace}"))?;
    let rules = RuleSet::add(&namespace, "inet", "input", &["meta random & 3 == 0"]);
    ip(&format!("netns del {namespace}"))?;
    rules.map(drop)
}

/// Unmounts all mounts in a folder, and removes it.
fn remove_folder(folder: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("cannot read the mounts")?;
    let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for place in mounted.filter(|place| Path::new(place).starts_with(folder)) {
        output(Command::new("umount").args(["-l", place]))?;
    }
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Whether a name belongs to a run that has ended.
fn is_leftover(name: &str) -> bool {
    let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

/// Removes namespaces and folders of runs that were killed.
pub(crate) fn remove_leftovers() -> Result<()> {
    for line in output(Command::new("ip").args(["netns", "list"]))?.lines() {
        let namespace = line.split_whitespace().next().unwrap_or_default();
        if is_leftover(namespace) {
            println!("removing {namespace}, left over from an earlier run");
            for left in output(Command::new("ip").args(["netns", "pids", namespace]))?.split_whitespace() {
                let _ = Command::new("kill").args(["-KILL", left]).status();
            }
            ip(&format!("netns del {namespace}"))?;
        }
    }
    for entry in std::fs::read_dir(ETC).into_iter().flatten().flatten() {
        if entry.file_name().to_str().is_some_and(is_leftover) {
            remove_folder(&entry.path())?;
        }
    }
    for entry in
        std::fs::read_dir(std::env::temp_dir()).context("cannot read the folder of temporary files")?
    {
        let entry = entry.context("cannot read the folder of temporary files")?;
        if entry.file_name().to_str().is_some_and(is_leftover) {
            remove_folder(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes the folder of replacements of files in `/etc` if it is empty.
pub(crate) fn remove_empty_etc() {
    let _ = std::fs::remove_dir(ETC);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_ended_runs_are_leftovers() {
        let mut child = Command::new("true").spawn().expect("a process starts");
        let ended = format!("{PREFIX}{}-3", child.id());
        child.wait().expect("a process ends");
        assert!(is_leftover(&ended) && is_leftover(&format!("{ended}-switch")), "{ended}");
        let own = next_prefix();
        assert!(!is_leftover(&own) && !is_leftover(&format!("{own}-switch")), "{own}");
        assert_ne!(own, next_prefix());
        assert!(!is_leftover("another"));
    }
}
