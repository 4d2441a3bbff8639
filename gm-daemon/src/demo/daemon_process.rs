//! A daemon as a child process, which ends when the demo ends, also if the demo is killed.

use std::ffi::OsStr;
use std::fs::OpenOptions;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use gm_daemon::api::DaemonStatus;
use tokio::time::sleep;

use crate::cli::client::Client;
use crate::cli::error::CommandError;

/// Time limit for a daemon to answer.
const START_TIMEOUT: Duration = Duration::from_secs(10);
/// Time limit for a daemon to end.
const END_TIMEOUT: Duration = Duration::from_secs(2);

/// A daemon process. Dropping it kills the process.
#[derive(Debug)]
pub(super) struct DemoDaemon {
    /// Name, for example `M1`.
    pub(super) name: String,
    /// NetId, once the daemon has answered.
    pub(super) node: String,
    pub(super) client: Client,
    dir: PathBuf,
    process: Option<(Child, ChildStdin)>,
}

impl DemoDaemon {
    /// Creates a daemon that is not running yet, with its own directory.
    pub(super) fn new(below: &Path, name: String) -> DemoDaemon {
        let dir = below.join(name.to_ascii_lowercase());
        let client = Client::new(dir.join("gm.sock"));
        DemoDaemon { name, node: "127.0.0.1:0".to_owned(), client, dir, process: None }
    }

    /// Address of its control socket.
    pub(super) fn api(&self) -> String {
        format!("unix:{}", self.client.path().display())
    }

    pub(super) fn is_running(&self) -> bool {
        self.process.is_some()
    }

    fn log(&self) -> PathBuf {
        self.dir.with_extension("log")
    }

    /// Starts the process, on a free port the first time and on the same port later. `settings` are
    /// common to all daemons.
    pub(super) fn spawn(&mut self, settings: &[String]) -> Result<(), CommandError> {
        let log = OpenOptions::new().create(true).append(true).open(self.log())?;
        let mut command = program()?;
        command.arg("run").args(settings).arg("--exit-with-stdin");
        command.args(["--address", &self.node]).arg("--data-dir").arg(&self.dir);
        // Ctrl-C must reach only the demo, which then stops the daemons.
        command.process_group(0).stdin(Stdio::piped()).stdout(log.try_clone()?).stderr(log);
        let mut child = command.spawn()?;
        if let Some(stdin) = child.stdin.take() {
            self.process = Some((child, stdin));
        }
        Ok(())
    }

    /// Waits until the daemon answers.
    pub(super) async fn wait_ready(&mut self) -> Result<DaemonStatus, CommandError> {
        let begun = Instant::now();
        loop {
            if let Ok(status) = self.client.get::<DaemonStatus>("/v1/status").await {
                self.node.clone_from(&status.node);
                return Ok(status);
            }
            if let Some((child, _)) = &mut self.process
                && let Some(status) = child.try_wait()?
            {
                return Err(CommandError::Unreachable(format!("{} did not start: {status}", self.name)));
            }
            if begun.elapsed() > START_TIMEOUT {
                return Err(CommandError::TimedOut(format!(
                    "{} does not answer at {}",
                    self.name,
                    self.api()
                )));
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Kills the process, like a crash.
    pub(super) fn kill(&mut self) -> io::Result<()> {
        if let Some((mut child, stdin)) = self.process.take() {
            child.kill()?;
            child.wait()?;
            drop(stdin);
        }
        Ok(())
    }

    /// Requests the end by closing standard input, which also happens if the demo is killed.
    pub(super) fn request_end(&mut self) -> Option<Child> {
        self.process.take().map(|(child, _)| child)
    }

    /// Last lines of its log.
    pub(super) fn tail(&self) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(5)..].iter();
        last.map(|line| format!("{}: {line}\n", self.name)).collect()
    }
}

impl Drop for DemoDaemon {
    fn drop(&mut self) {
        // If this fails, the process still ends with its standard input.
        let _ = self.kill();
    }
}

/// This program, without environment variables that would change its settings.
pub(super) fn program() -> Result<Command, CommandError> {
    let mut command = Command::new(std::env::current_exe()?);
    let ours = |name: &OsStr| name.to_string_lossy().starts_with("GROUP_MANAGER_");
    for (name, _) in std::env::vars_os().filter(|(name, _)| ours(name)) {
        command.env_remove(name);
    }
    command.env_remove("NOTIFY_SOCKET");
    Ok(command)
}

/// Waits until the processes have ended, and kills the remaining ones after a time limit.
pub(super) fn wait_ended(children: Vec<Child>) {
    let begun = Instant::now();
    for mut child in children {
        while matches!(child.try_wait(), Ok(None)) {
            if begun.elapsed() > END_TIMEOUT {
                // An error means that the process has just ended.
                let _ = child.kill();
                let _ = child.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
