//! Runs the commands of the README's section "Three hosts" exactly as printed. Each host is a
//! namespace with its own home, `/var/lib` and `/etc/hosts`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::clusters::DaemonCluster;
use crate::namespaces::{ETC, Host};
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

const README: &str = include_str!("../../../README.md");
/// A command line of the README.
#[derive(Debug, PartialEq, Eq)]
struct Line<'a> {
    /// Name of the host that runs it.
    host: &'a str,
    /// The command, with its comment.
    typed: &'a str,
}

impl Line<'_> {
    /// Whether the command runs in the background.
    fn is_daemon(&self) -> bool {
        self.typed.starts_with("gm-node run ")
    }

    /// Whether the line applies to all later commands, on all hosts.
    fn is_for_all(&self) -> bool {
        self.typed.starts_with("export ")
    }

    /// The expected exit code: the one in the comment, or 0.
    fn code(&self) -> i32 {
        let promised =
            self.typed.split("exit code ").nth(1).and_then(|rest| rest.split([':', ' ', ',']).next());
        promised.and_then(|code| code.parse().ok()).unwrap_or(0)
    }
}

/// The commands in the first code block of a section.
fn lines<'a>(text: &'a str, section: &str) -> Vec<Line<'a>> {
    let block = text.split_once(section).and_then(|(_, rest)| rest.split("```").nth(1)).unwrap_or_default();
    let typed = block.lines().filter_map(|line| line.split_once("$ "));
    typed.map(|(host, typed)| Line { host, typed }).collect()
}

struct ReadmeHost {
    name: String,
    place: Host,
    home: PathBuf,
    var_lib: PathBuf,
}

/// The hosts and their daemons. Dropping the value removes all of them.
#[derive(Default)]
struct ReadmeHosts {
    all: Vec<ReadmeHost>,
    daemons: Vec<Child>,
    /// Lines that apply to all later commands.
    before: Vec<String>,
}

impl ReadmeHosts {
    /// Adds a host, with its folders in `folder`.
    fn add(&mut self, folder: &Path, name: &str, place: &Host) -> Result<()> {
        let (home, var_lib) = (folder.join(name).join("home"), folder.join(name).join("lib"));
        fs::create_dir_all(&home)
            .and_then(|()| fs::create_dir_all(&var_lib))
            .context("cannot make a home")?;
        self.all.push(ReadmeHost { name: name.to_owned(), place: place.clone(), home, var_lib });
        Ok(())
    }

    /// Writes the hosts' names to the `/etc/hosts` of each.
    fn name_all(&self) -> Result<()> {
        let names = self.all.iter().map(|host| format!("{} {}\n", host.place.ip, host.name));
        let text = format!("127.0.0.1 localhost\n{}", names.collect::<String>());
        for host in &self.all {
            let etc = Path::new(ETC).join(&host.place.namespace);
            let written = fs::create_dir_all(&etc).and_then(|()| fs::write(etc.join("hosts"), &text));
            written.with_context(|| format!("cannot write {}", etc.join("hosts").display()))?;
        }
        Ok(())
    }

    fn host(&self, name: &str) -> Result<&ReadmeHost> {
        self.all.iter().find(|host| host.name == name).with_context(|| format!("there is no host {name}"))
    }

    /// A command that runs a line in a shell on a host. The mount is visible to this command alone.
    fn shell(&self, program: &Path, host: &str, line: &str) -> Result<Command> {
        let ReadmeHost { place, home, var_lib, .. } = self.host(host)?;
        let before = self.before.join("\n");
        let script = format!(
            "mount --bind '{}' /var/lib && cd '{}' || exit 99\n{before}\n{line}\n",
            var_lib.display(),
            home.display()
        );
        let folder = program.parent().context("the program is in a folder")?.display();
        let path = std::env::var("PATH").unwrap_or_default();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &place.namespace, "sh", "-c", &script]).stdin(Stdio::null());
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GROUP_MANAGER_"))
        {
            command.env_remove(name);
        }
        command.env("PATH", format!("{folder}:{path}"));
        Ok(command)
    }

    fn start(&mut self, cluster: &DaemonCluster, line: &Line<'_>) -> Result<()> {
        let log = cluster.folder.join(format!("{}.log", line.host));
        let file = fs::File::create(&log).context("cannot make a log")?;
        let mut command = self.shell(&cluster.program, line.host, line.typed)?;
        let child = command.stdout(file.try_clone().context("cannot share a log")?).stderr(file).spawn();
        self.daemons.push(child.context("cannot start a daemon")?);
        Ok(())
    }

    /// Waits until all daemons answer.
    fn ready(&self, cluster: &DaemonCluster) -> Result<()> {
        for host in &self.all {
            let ask = "gm-node status --data-dir /var/lib/gm";
            let answered = wait_for(&format!("the daemon of {}", host.name), DEFAULT_TIMEOUT, || {
                let output = self.shell(&cluster.program, &host.name, ask)?.output().context("cannot ask")?;
                Ok(output.status.success())
            });
            let log =
                || fs::read_to_string(cluster.folder.join(format!("{}.log", host.name))).unwrap_or_default();
            answered.with_context(log)?;
        }
        Ok(())
    }

    /// Runs a line, and compares its exit code.
    fn run(&self, cluster: &DaemonCluster, line: &Line<'_>) -> Result<()> {
        let output =
            self.shell(&cluster.program, line.host, line.typed)?.output().context("cannot start a shell")?;
        let text = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).concat();
        ensure!(
            output.status.code() == Some(line.code()),
            "{}$ {} ended with {}, not {}: {}",
            line.host,
            line.typed,
            output.status,
            line.code(),
            text.trim()
        );
        Ok(())
    }

    /// Copies the key to the other hosts, as the first comment of the README asks.
    fn copy_key(&self) -> Result<()> {
        let [first, others @ ..] = &*self.all else { bail!("there are no hosts") };
        for other in others {
            fs::copy(first.home.join("gm.key"), other.home.join("gm.key")).context("cannot copy the key")?;
        }
        Ok(())
    }
}

impl Drop for ReadmeHosts {
    fn drop(&mut self) {
        for child in &mut self.daemons {
            let _ = child.kill();
            let _ = child.wait();
        }
        for host in &self.all {
            let pids = Command::new("ip").args(["netns", "pids", &host.place.namespace]).output();
            let pids =
                pids.map(|pids| String::from_utf8_lossy(&pids.stdout).into_owned()).unwrap_or_default();
            // Kill daemons whose shell did not exec them.
            for pid in pids.split_whitespace() {
                let _ = Command::new("kill").args(["-KILL", pid]).status();
            }
            let _ = fs::remove_dir_all(Path::new(ETC).join(&host.place.namespace));
        }
    }
}

/// Scene that runs all lines, with multicast or with a bridge that drops it.
pub(super) fn three_hosts(cluster: &mut DaemonCluster, multicast: bool) -> Result<()> {
    let lines = lines(README, "\n## Three hosts\n");
    let mut names: Vec<&str> = lines.iter().map(|line| line.host).collect();
    names.sort_unstable();
    names.dedup();
    ensure!(names == ["a", "b", "c"] && lines.len() > 8, "the README has other hosts or lines: {lines:?}");
    let places = cluster.islands(&[3])?.concat();
    if !multicast {
        let switch = cluster.switch();
        cluster.add_drop_rule(&switch, "bridge", "forward", &["ip daddr 224.0.0.0/4"])?;
    }
    let mut hosts = ReadmeHosts::default();
    for (name, place) in names.iter().zip(&places) {
        hosts.add(&cluster.folder, name, place)?;
    }
    hosts.name_all()?;
    let mut is_started = false;
    for line in &lines {
        if line.is_daemon() {
            hosts.start(cluster, line)?;
            is_started = true;
            continue;
        }
        if std::mem::take(&mut is_started) {
            hosts.ready(cluster)?;
        }
        if line.is_for_all() {
            hosts.before.push(line.typed.to_owned());
            continue;
        }
        hosts.run(cluster, line)?;
        if line.typed.contains("> gm.key") {
            hosts.copy_key()?;
        }
    }
    cluster.add_remark(format!("{} lines, as printed", lines.len()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_a_host_a_command_and_an_exit_code() {
        let text = "# x\n\n## Hosts\n\nSome.\n\n```text\na$ gm-node run --x\n\nb$ gm-node coverage G # exit code 1: why\n```\n\n```text\nc$ no\n```\n";
        let lines = lines(text, "\n## Hosts\n");
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0], Line { host: "a", typed: "gm-node run --x" });
        assert!(lines[0].is_daemon() && !lines[1].is_daemon());
        assert_eq!((lines[0].code(), lines[1].code()), (0, 1));
    }

    #[test]
    fn the_readme_has_three_hosts() {
        let lines = lines(README, "\n## Three hosts\n");
        assert_eq!(lines.iter().filter(|line| line.is_daemon()).count(), 3);
        assert_eq!(lines.iter().filter(|line| line.is_for_all()).count(), 1);
        assert_eq!(lines.iter().map(Line::code).sum::<i32>(), 1, "one line has another exit code");
    }
}
