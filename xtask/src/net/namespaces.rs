//! What a scene plays in: namespaces, a folder, rules. Their names hold our process id, so that two
//! runs do not clash, and all go when the stage does. Knows no scene, and not what plays.

use std::fmt::Write as _;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::rules::RuleSet;

const PREFIX: &str = "gmnet-";
/// Where `ip netns exec` looks for what takes the place of files in `/etc`.
pub(super) const ETC: &str = "/etc/netns";

/// Where a node is.
#[derive(Clone, Debug)]
pub(super) struct Host {
    pub(super) space: String,
    pub(super) ip: IpAddr,
}

/// Who plays.
pub(super) trait Process {
    fn name(&self) -> &str;

    /// The last lines that it said.
    fn last(&self, count: usize) -> Vec<String>;
}

/// All that one scene needs.
pub(super) struct Cluster<N> {
    pub(super) program: PathBuf,
    /// The key of all, unless a scene gives some another.
    pub(super) key: PathBuf,
    /// For files; short, since there will be sockets in it.
    pub(super) folder: PathBuf,
    spaces: Vec<String>,
    pub(super) nodes: Vec<N>,
    rules: Vec<RuleSet>,
    remarks: Vec<String>,
}

impl<N> Cluster<N> {
    pub(super) fn new(program: PathBuf) -> Result<Cluster<N>> {
        let folder = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&folder).context("cannot make a folder for the scene")?;
        let (spaces, nodes, rules, remarks) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut stage = Cluster { program, key: folder.join("key"), folder, spaces, nodes, rules, remarks };
        stage.key = stage.new_key("key")?;
        Ok(stage)
    }

    /// A file with a fresh key.
    pub(super) fn new_key(&self, name: &str) -> Result<PathBuf> {
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

    pub(super) fn create_namespace(&mut self, name: &str) -> Result<String> {
        let space = format!("{PREFIX}{}-{name}", std::process::id());
        ip(&format!("netns add {space}"))?;
        self.spaces.push(space.clone());
        ip(&format!("-n {space} link set lo up"))?;
        Ok(space)
    }

    /// The namespace in which all bridges are.
    pub(super) fn switch(&self) -> String {
        self.spaces.first().cloned().unwrap_or_default()
    }

    /// The namespace of the router.
    pub(super) fn router(&self) -> String {
        self.spaces.get(1).cloned().unwrap_or_default()
    }

    /// Rules in a namespace: what matches an expression is dropped, and counted.
    pub(super) fn add_drop_rule(
        &mut self,
        space: &str,
        family: &'static str,
        hook: &str,
        expressions: &[&str],
    ) -> Result<usize> {
        self.rules.push(RuleSet::add(space, family, hook, expressions)?);
        Ok(self.rules.len() - 1)
    }

    /// Takes rules away; what they dropped is remembered.
    pub(super) fn remove_rule(&mut self, rules: usize) -> Result<u64> {
        self.rules.get_mut(rules).context("there are no such rules")?.remove()
    }

    pub(super) fn dropped_by_rule(&mut self, rules: usize) -> Result<u64> {
        self.rules.get_mut(rules).context("there are no such rules")?.matched()
    }

    /// What all rules of the scene dropped; nothing if it has none. None dropped is an error: then
    /// the scene showed nothing.
    pub(super) fn dropped(&mut self) -> Result<Option<u64>> {
        let mut sum = 0;
        for rules in &mut self.rules {
            sum += rules.matched()?;
        }
        match (self.rules.is_empty(), sum) {
            (true, _) => Ok(None),
            (false, 0) => bail!("its rules dropped nothing"),
            (false, sum) => Ok(Some(sum)),
        }
    }

    /// Something worth seeing.
    pub(super) fn add_remark(&mut self, remark: String) {
        self.remarks.push(remark);
    }

    pub(super) fn remarks(&self) -> String {
        self.remarks.iter().fold(String::new(), |mut text, remark| {
            let _ = write!(text, "; {remark}");
            text
        })
    }

    /// After a failure: the last that every node said.
    pub(super) fn print_logs(&self)
    where
        N: Process,
    {
        for node in &self.nodes {
            println!("  {}: {}", node.name(), node.last(12).join(" | "));
        }
    }
}

impl<N> Drop for Cluster<N> {
    fn drop(&mut self) {
        // Processes first: a namespace lives as long as somebody is in it.
        self.nodes.clear();
        for space in &self.spaces {
            if let Err(error) = ip(&format!("netns del {space}")) {
                eprintln!("{error:#}");
            }
        }
        if let Err(error) = remove_folder(&self.folder) {
            eprintln!("{error:#}");
        }
    }
}

pub(super) fn ip(words: &str) -> Result<()> {
    output(Command::new("ip").args(words.split_whitespace())).map(drop)
}

/// Runs a command quietly; what it says on standard output, or an error with what it said on the
/// other.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let done = command.stdin(Stdio::null()).output();
    let done = done.with_context(|| format!("cannot start {}", command.get_program().display()))?;
    if !done.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&done.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&done.stdout).into_owned())
}

/// Whether a namespace with rules can be made.
pub(super) fn check_namespaces() -> Result<()> {
    let space = format!("{PREFIX}{}-try", std::process::id());
    ip(&format!("netns add {space}"))?;
    let rules = RuleSet::add(&space, "inet", "input", &["meta random & 3 == 0"]);
    ip(&format!("netns del {space}"))?;
    rules.map(drop)
}

/// Removes a folder, and what is mounted in it.
fn remove_folder(folder: &Path) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/self/mounts").context("cannot read what is mounted")?;
    let mounted = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for place in mounted.filter(|place| Path::new(place).starts_with(folder)) {
        output(Command::new("umount").args(["-l", place]))?;
    }
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

/// Whether a name is of a run that has ended.
fn is_leftover(name: &str) -> bool {
    let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

/// Removes what runs left behind that were killed.
pub(super) fn remove_leftovers() -> Result<()> {
    for line in output(Command::new("ip").args(["netns", "list"]))?.lines() {
        let space = line.split_whitespace().next().unwrap_or_default();
        if is_leftover(space) {
            println!("removing {space}, left behind");
            for left in output(Command::new("ip").args(["netns", "pids", space]))?.split_whitespace() {
                let _ = Command::new("kill").args(["-KILL", left]).status();
            }
            ip(&format!("netns del {space}"))?;
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
