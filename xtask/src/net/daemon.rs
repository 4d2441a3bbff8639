//! One daemon: `gm-node run` in a namespace, asked and told by the command line alone. Knows no
//! scene.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use super::chat_process::memory_of;
use super::namespaces::{Host, Process};
use super::process_log::ProcessLog;
use super::waiting::{PATIENCE, wait_for};

/// How a command ended.
#[derive(Debug)]
pub(super) struct CommandOutput {
    pub(super) code: i32,
    /// What it answered; nothing if that was no JSON.
    pub(super) json: Value,
    /// All that it said, on both outputs.
    pub(super) text: String,
}

/// What a daemon is started with, besides what is typed for it.
#[derive(Clone, Debug)]
pub(super) struct DaemonSettings {
    pub(super) program: PathBuf,
    pub(super) cluster: String,
    pub(super) key: PathBuf,
    /// Where its data are, and its socket.
    pub(super) dir: PathBuf,
    /// Whether it keeps anything.
    pub(super) keeps: bool,
    pub(super) flags: Vec<String>,
}

pub(super) struct Daemon {
    pub(super) place: Host,
    pub(super) setting: DaemonSettings,
    /// Its NetId.
    pub(super) me: SocketAddr,
    child: Option<Child>,
    lines: ProcessLog,
}

impl Daemon {
    /// One that does not run yet.
    pub(super) fn new(place: &Host, port: u16, setting: DaemonSettings) -> Result<Daemon> {
        std::fs::create_dir_all(&setting.dir).context("cannot make a folder for a daemon")?;
        let me = SocketAddr::new(place.ip, port);
        Ok(Daemon { place: place.clone(), setting, me, child: None, lines: ProcessLog::default() })
    }

    /// Starts it, and does not wait until it answers.
    pub(super) fn spawn(&mut self) -> Result<()> {
        ensure!(self.child.is_none(), "{} runs already", self.me);
        let setting = &self.setting;
        let mut command = Command::new("ip");
        // It becomes the program: its process id is the program's.
        command.args(["netns", "exec", &self.place.space]).arg(&setting.program).arg("run");
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

    /// Waits until it answers.
    pub(super) fn ready(&mut self) -> Result<()> {
        wait_for(&format!("{} to answer", self.me), PATIENCE, || {
            let child = self.child.as_mut().context("it was not started")?;
            if let Some(status) = child.try_wait().context("cannot look at a daemon")? {
                bail!("{} ended with {status}: {}", self.me, self.lines.last(5).join(" | "));
            }
            // Of an earlier life the socket may still be there: only an answer counts.
            Ok(socket_file(&self.setting.dir).exists() && self.cli(&["status"])?.code == 0)
        })?;
        let says = self.ok(&["status"])?["node"].clone();
        ensure!(says == self.me.to_string(), "{} says that it is {says}", self.me);
        Ok(())
    }

    /// SIGKILL, and it is gone.
    pub(super) fn kill(&mut self) -> Result<()> {
        self.lines.push("-- killed".to_owned());
        let mut child = self.child.take().context("it does not run")?;
        child.kill().context("cannot kill a daemon")?;
        child.wait().context("cannot wait for a daemon")?;
        Ok(())
    }

    /// SIGTERM: it must end well.
    pub(super) fn stop(&mut self) -> Result<()> {
        let mut child = self.child.take().context("it does not run")?;
        let told = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
        ensure!(told.context("cannot start kill")?.success(), "{} cannot be told to stop", self.me);
        let mut ended = None;
        let waited = wait_for(&format!("{} to stop", self.me), Duration::from_secs(15), || {
            ended = child.try_wait().context("cannot look at a daemon")?;
            Ok(ended.is_some())
        });
        if waited.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        waited?;
        let ended = ended.context("it ended")?;
        ensure!(ended.success(), "{} was told to stop, and ended with {ended}", self.me);
        Ok(())
    }

    /// Its process id.
    pub(super) fn pid(&self) -> Result<u32> {
        Ok(self.child.as_ref().context("it does not run")?.id())
    }

    /// Bytes of memory that it holds.
    pub(super) fn memory(&self) -> Result<u64> {
        memory_of(self.child.as_ref().context("it does not run")?)
    }

    /// All that it logged.
    pub(super) fn log(&self) -> Vec<String> {
        self.lines.last(usize::MAX)
    }

    /// A command for it.
    pub(super) fn cli(&self, words: &[&str]) -> Result<CommandOutput> {
        run_command(&self.setting, words)
    }

    /// A command that must be done: what it answers.
    pub(super) fn ok(&self, words: &[&str]) -> Result<Value> {
        let said = self.cli(words)?;
        ensure!(
            said.code == 0,
            "{}: `{}` ended with {}: {}",
            self.me,
            words.join(" "),
            said.code,
            said.text.trim()
        );
        Ok(said.json)
    }
}

/// A command for the daemon of a setting.
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

/// What happens to be set around us is not for them.
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
