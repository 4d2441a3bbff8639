//! Daemon of a scene: a process of `gm-node run` in a namespace, controlled by the command line
//! alone.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::chat_process::memory_of;
use crate::namespaces::{Host, Process};
use crate::process_log::ProcessLog;
use crate::waiting::{DEFAULT_TIMEOUT, wait_for};

/// Result of a command.
#[derive(Debug)]
pub(crate) struct CommandOutput {
    pub(crate) code: i32,
    /// The answer on standard output; `Null` if it is not JSON.
    pub(crate) json: Value,
    /// Standard output and standard error.
    pub(crate) text: String,
}

/// Settings of a daemon.
#[derive(Clone, Debug)]
pub(crate) struct DaemonSettings {
    pub(crate) program: PathBuf,
    pub(crate) cluster: String,
    pub(crate) key: PathBuf,
    /// Folder of its data and its control socket.
    pub(crate) dir: PathBuf,
    /// Whether it has a data directory; otherwise it runs with `--no-data-dir`.
    pub(crate) keeps: bool,
    pub(crate) flags: Vec<String>,
}

pub(crate) struct Daemon {
    pub(crate) host: Host,
    pub(crate) setting: DaemonSettings,
    /// NetId of the daemon.
    pub(crate) me: SocketAddr,
    child: Option<Child>,
    lines: ProcessLog,
}

impl Daemon {
    /// A daemon that is not started yet.
    pub(crate) fn new(host: &Host, port: u16, setting: DaemonSettings) -> Result<Daemon> {
        std::fs::create_dir_all(&setting.dir).context("cannot make a folder for a daemon")?;
        let me = SocketAddr::new(host.ip, port);
        Ok(Daemon { host: host.clone(), setting, me, child: None, lines: ProcessLog::default() })
    }

    /// Starts the daemon without waiting until it answers.
    pub(crate) fn spawn(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "{} is already running", self.me);
        let setting = &self.setting;
        let mut command = Command::new("ip");
        // `ip` execs the program, so the process id is the program's.
        command.args(["netns", "exec", &self.host.namespace]).arg(&setting.program).arg("run");
        command.args(["--address", &self.me.to_string(), "--cluster", &setting.cluster, "--key-file"]);
        command.arg(&setting.key);
        if setting.keeps {
            command.arg("--data-dir").arg(&setting.dir);
        } else {
            command.args(["--no-data-dir", "--api"]).arg(socket(&setting.dir));
        }
        command.args(&setting.flags);
        without_environment(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        self.lines.push(format!("-- started at {}", self.me));
        let mut child = command.spawn().context("cannot start a daemon")?;
        self.lines.read_from(child.stdout.take(), "");
        self.lines.read_from(child.stderr.take(), "");
        self.child = Some(child);
        Ok(())
    }

    /// Waits until the daemon answers.
    pub(crate) fn ready(&mut self) -> Result<()> {
        wait_for(&format!("{} to answer", self.me), DEFAULT_TIMEOUT, || {
            let child = self.child.as_mut().context("the daemon was not started")?;
            if let Some(status) = child.try_wait().context("cannot get the status of a daemon's process")? {
                bail!("{} ended with {status}: {}", self.me, self.lines.last(5).join(" | "));
            }
            // The socket may be left over from an earlier run: only an answer counts.
            Ok(socket_file(&self.setting.dir).exists() && self.cli(&["status"])?.code == 0)
        })?;
        let reported = self.ok(&["status"])?["node"].clone();
        ensure!(reported == self.me.to_string(), "{} reports {reported} as its NetId", self.me);
        Ok(())
    }

    /// Kills the daemon with SIGKILL and waits for its end.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.lines.push("-- killed".to_owned());
        let mut child = self.child.take().context("the daemon is not running")?;
        child.kill().context("cannot kill a daemon")?;
        child.wait().context("cannot wait for a daemon")?;
        Ok(())
    }

    /// Stops the daemon with SIGTERM, and checks that it exits with code 0.
    pub(crate) fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("the daemon is not running")?;
        let signalled = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        ensure!(signalled.context("cannot start kill")?.success(), "cannot send SIGTERM to {}", self.me);
        let mut ended = None;
        let waited = wait_for(&format!("{} to stop", self.me), Duration::from_secs(15), || {
            ended = child.try_wait().context("cannot get the status of a daemon's process")?;
            Ok(ended.is_some())
        });
        if waited.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        waited?;
        let ended = ended.context("the daemon did not end")?;
        ensure!(ended.success(), "{} ended with {ended} after SIGTERM", self.me);
        Ok(())
    }

    /// Process id of the daemon.
    pub(crate) fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("the daemon is not running")?.id())
    }

    /// Resident memory of the daemon in bytes.
    pub(crate) fn memory(&self) -> Result<u64> {
        memory_of(self.child.as_ref().context("the daemon is not running")?)
    }

    /// The log lines of the daemon, of all its runs.
    pub(crate) fn log(&self) -> Vec<String> {
        self.lines.last(usize::MAX)
    }

    /// Runs a command against the daemon.
    pub(crate) fn cli(&self, words: &[&str]) -> Result<CommandOutput> {
        run_command(&self.setting, words)
    }

    /// Runs a command that must succeed. Returns its answer.
    pub(crate) fn ok(&self, words: &[&str]) -> Result<Value> {
        let output = self.cli(words)?;
        ensure!(
            output.code == 0,
            "{}: `{}` ended with {}: {}",
            self.me,
            words.join(" "),
            output.code,
            output.text.trim()
        );
        Ok(output.json)
    }
}

/// Runs a command against the daemon with these settings.
fn run_command(setting: &DaemonSettings, words: &[&str]) -> Result<CommandOutput> {
    let mut command = Command::new(&setting.program);
    command.args(words).args(["--json", "--api"]).arg(socket(&setting.dir)).stdin(Stdio::null());
    without_environment(&mut command);
    let done = command.output().context("cannot start the command line")?;
    let out = String::from_utf8_lossy(&done.stdout);
    let code = done.status.code().with_context(|| format!("`{}` was killed", words.join(" ")))?;
    let json = serde_json::from_str(&out).unwrap_or(Value::Null);
    Ok(CommandOutput { code, json, text: format!("{out}{}", String::from_utf8_lossy(&done.stderr)) })
}

fn socket_file(dir: &Path) -> PathBuf {
    dir.join("gm.sock")
}

fn socket(dir: &Path) -> String {
    format!("unix:{}", socket_file(dir).display())
}

/// Removes gm's own variables from the environment of a command, so that the settings of the caller
/// have no effect.
fn without_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GROUP_MANAGER_") {
            command.env_remove(name);
        }
    }
}

impl Process for Daemon {
    fn name(&self) -> &str {
        self.setting.dir.file_name().and_then(|name| name.to_str()).unwrap_or_default()
    }

    fn last(&self, count: usize) -> Vec<String> {
        self.lines.last(count)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
