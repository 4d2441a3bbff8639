//! Programs of `bench/peers`: their build, and a run of one in a fresh network namespace.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::machine::{self, Machine};
use super::plan::{Measurement, Part, System};
use super::results::Attempt;
use crate::workspace::{Workspace, status};

/// The folder of the harness, a workspace of its own.
pub(crate) const FOLDER: &str = "bench/peers";
/// Sources of HashiCorp's memberlist, as Debian installs them.
const GO_SOURCES: &str = "/usr/share/gocode";
/// Interval at which the end of a program is looked for.
const LOOK: Duration = Duration::from_millis(20);
/// Begin of the names of namespaces.
const PREFIX: &str = "gm-beside-";

/// The built programs.
#[derive(Debug)]
pub(crate) struct Programs {
    /// The folder with the programs.
    built: PathBuf,
    /// The folder of output files.
    output: PathBuf,
    /// The reason why the program in Go is missing.
    no_go: Option<String>,
    /// The reason why there is no serf.
    no_serf: Option<String>,
}

impl Programs {
    /// Builds them, in the release profile. What needs packages of the system is left out if they
    /// are not installed.
    pub(crate) fn build(ws: &Workspace, output: &Path) -> Result<Programs> {
        remove_leftovers()?;
        fs::create_dir_all(output).with_context(|| format!("cannot create {}", output.display()))?;
        let target = ws.target_folder().join("peers");
        println!("building {FOLDER}; the first build takes some minutes");
        let mut build = ws.cargo("build --release --quiet");
        build.current_dir(ws.root().join(FOLDER)).arg("--target-dir").arg(&target);
        if !status(&mut build)?.success() {
            bail!("{FOLDER} does not build");
        }
        let built = target.join("release");
        let no_serf = (!is_installed("serf", "version")).then(|| "not installed (Debian: serf)".to_owned());
        let no_go = build_go(&ws.root().join(FOLDER), &built);
        Ok(Programs { built, output: output.to_owned(), no_go, no_serf })
    }

    /// Runs a measurement in a fresh namespace.
    pub(crate) fn run(&self, measurement: &Measurement, machine: &mut Machine) -> Result<Attempt> {
        if let Some(why) = self.why_missing(measurement) {
            return Ok(Attempt::failed(why));
        }
        let namespace = Namespace::create()?;
        let load = machine::load();
        let stderr_path = self.output.join("stderr.log");
        let stdout_path = self.output.join("stdout.log");
        let mut command = namespace.command(&self.program(&measurement.system));
        command.args(["--n", &measurement.n.to_string(), "--cfg", &measurement.system.cfg]);
        command.args(measurement.arguments.split_whitespace()).stdin(Stdio::null());
        command.stdout(File::create(&stdout_path)?).stderr(File::create(&stderr_path)?);
        machine.foreign_share(0.0)?;
        let child = command.spawn().context("cannot start `ip`")?;
        let why = wait(child, Duration::from_secs(measurement.limit_s))?;
        let stdout = fs::read_to_string(&stdout_path).unwrap_or_default();
        let stderr = String::from_utf8_lossy(&fs::read(&stderr_path).unwrap_or_default()).into_owned();
        let mut attempt = Attempt::parse(&stdout, why.map(|why| reason(&why, &stderr)));
        attempt.note_machine(load, machine.foreign_share(attempt.own_cpu())?);
        Ok(attempt)
    }

    fn program(&self, system: &System) -> PathBuf {
        let name = match system.peer.as_str() {
            "memberlist-rs" => "peer-memberlist",
            "memberlist-go" => "peer-gomemberlist",
            other => return self.built.join(format!("peer-{other}")),
        };
        self.built.join(name)
    }

    fn why_missing(&self, measurement: &Measurement) -> Option<String> {
        match (measurement.system.peer.as_str(), measurement.part) {
            ("memberlist-go", Part::BigState) => {
                Some("not measured: its program has no big state".to_owned())
            }
            ("memberlist-go", _) => self.no_go.clone(),
            ("serf", _) => self.no_serf.clone(),
            _ => None,
        }
    }
}

/// Builds the program in Go. Returns the reason if that is not possible.
fn build_go(folder: &Path, built: &Path) -> Option<String> {
    let sources = Path::new(GO_SOURCES);
    if !is_installed("go", "version") || !sources.join("src/github.com/hashicorp/memberlist").exists() {
        return Some("not installed (Debian: golang-go, golang-github-hashicorp-memberlist-dev)".to_owned());
    }
    let mut go = Command::new("go");
    go.args(["build", "-o"]).arg(built.join("peer-gomemberlist")).arg(".");
    go.current_dir(folder.join("gomemberlist")).env("GO111MODULE", "off").env("GOPATH", GO_SOURCES);
    match status(&mut go) {
        Ok(status) if status.success() => None,
        _ => Some("does not build with the installed Go".to_owned()),
    }
}

/// Waits for the end of a program, and kills it at the limit. Returns the reason for a bad end.
fn wait(mut child: Child, limit: Duration) -> Result<Option<String>> {
    let began = Instant::now();
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the program")? {
            return Ok((!status.success()).then(|| format!("failed ({status})")));
        }
        if began.elapsed() > limit {
            // It may have ended meanwhile.
            let _ = child.kill();
            child.wait().context("cannot wait for the program")?;
            return Ok(Some(format!("not finished in {} s", limit.as_secs())));
        }
        std::thread::sleep(LOOK);
    }
}

/// The reason for a bad end with what the program printed about it.
fn reason(why: &str, stderr: &str) -> String {
    let mut lines = stderr.lines();
    // A panic prints its message below its place.
    let panic = lines.find(|line| line.contains(" panicked at ")).and_then(|_| lines.next());
    let last = panic.or_else(|| stderr.lines().rfind(|line| !line.trim().is_empty()));
    let text: String = last.unwrap_or_default().replace('|', "/").chars().take(80).collect();
    if text.is_empty() { why.to_owned() } else { format!("{why}: {text}") }
}

/// A network namespace with a loopback, removed at the end.
#[derive(Debug)]
struct Namespace(String);

impl Namespace {
    fn create() -> Result<Namespace> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{number}", std::process::id());
        ip(&["netns", "add", &name])?;
        let namespace = Namespace(name);
        ip(&["-n", &namespace.0, "link", "set", "lo", "up"])?;
        Ok(namespace)
    }

    /// A command in it.
    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0]).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        if let Err(error) = ip(&["netns", "del", &self.0]) {
            eprintln!("{error:#}");
        }
    }
}

/// Removes namespaces of runs that were killed.
fn remove_leftovers() -> Result<()> {
    let list = Command::new("ip").args(["netns", "list"]).output().context("cannot start `ip`")?;
    let list = String::from_utf8_lossy(&list.stdout).into_owned();
    let names = list.lines().filter_map(|line| line.split_whitespace().next());
    for name in names.filter(|name| is_leftover(name)) {
        println!("removing {name}, left over from an earlier run");
        ip(&["netns", "del", name])?;
    }
    Ok(())
}

/// Whether a name belongs to a run whose process has ended.
fn is_leftover(name: &str) -> bool {
    let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
    pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists())
}

fn ip(words: &[&str]) -> Result<()> {
    let output = Command::new("ip").args(words).output().context("cannot start `ip`")?;
    if !output.status.success() {
        bail!("ip {}: {}", words.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

fn is_installed(program: &str, flag: &str) -> bool {
    let mut command = Command::new(program);
    command.arg(flag).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Messages about tools and rights that the system lacks.
pub(crate) fn missing_tools() -> Vec<String> {
    let mut missing = Vec::new();
    if !is_installed("ip", "-V") {
        missing.push("`ip` is not installed (Debian: iproute2)".to_owned());
    }
    if !is_installed("nft", "-v") {
        missing.push("`nft` is not installed (Debian: nftables)".to_owned());
    }
    if missing.is_empty()
        && let Err(error) = check_namespace()
    {
        missing.push(format!("cannot create a network namespace with rules, which needs root: {error:#}"));
    }
    missing
}

/// Checks that a namespace with rules can be created.
fn check_namespace() -> Result<()> {
    let namespace = Namespace::create()?;
    let output = namespace.command(Path::new("nft")).args(["add", "table", "inet", "check"]).output();
    let output = output.context("cannot start `ip`")?;
    if !output.status.success() {
        bail!("nft: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_bad_end_has_the_message() {
        let panic =
            "noise\nthread 'main' (1) panicked at src/gm.rs:5:\nno | more files\nstack backtrace:\n  0: x\n";
        assert_eq!(reason("failed", panic), "failed: no / more files");
        assert_eq!(reason("failed", "a\nb\n\n"), "failed: b");
        assert_eq!(reason("failed", ""), "failed");
        assert_eq!(reason("failed", &"x".repeat(200)).len(), "failed: ".len() + 80);
    }

    #[test]
    fn only_namespaces_of_ended_runs_are_left_over() {
        assert!(is_leftover(&format!("{PREFIX}99999999-0")), "no process has this id");
        assert!(!is_leftover(&format!("{PREFIX}{}-3", std::process::id())));
        assert!(!is_leftover("other-99999999-0"));
    }

    #[test]
    fn a_program_that_does_not_end_is_killed() {
        let start = |words: &[&str]| Command::new("sleep").args(words).spawn().expect("it starts");
        assert_eq!(wait(start(&["0"]), Duration::from_secs(60)).expect("waits"), None);
        let why = wait(start(&["600"]), Duration::ZERO).expect("waits");
        assert_eq!(why.as_deref(), Some("not finished in 0 s"));
    }
}
