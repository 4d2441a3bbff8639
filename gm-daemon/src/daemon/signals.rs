//! Signals of the daemon, and the end of standard input where that is watched. A thread of its own
//! receives them, so that the process ends in time even if other parts hang: in a file system that
//! does not respond, a disk that does not finish a write, or a log that is not read.

use std::future::pending;
use std::io::Write;
use std::process::exit;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep_until};

use super::config::DaemonError;
use super::stdin;

/// Length of the queue of signals; further ones are dropped.
const QUEUE: usize = 4;
/// A second signal within this time of the first counts as the same: process managers may deliver
/// one twice.
const SECOND_SIGNAL_AFTER: Duration = Duration::from_secs(1);
/// Time limit of the last message: standard error may hang, too.
const PRINT_TIMEOUT: Duration = Duration::from_millis(200);

/// Name of the end of standard input, where a signal is named.
const STDIN_END: &str = "the end of standard input";

/// Request by a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignalEvent {
    End(&'static str),
    Reload,
}

/// Receives the signals from the thread.
#[derive(Debug)]
pub(super) struct Signals(mpsc::Receiver<SignalEvent>);

/// Sources of signals.
struct SignalSources {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    stdin: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// Starts to receive signals. The process ends at the latest `timeout` after the first signal
    /// that ends the daemon, or at once at a second one that comes later.
    pub(super) fn new(with_input: bool, timeout: Duration) -> Result<Signals, DaemonError> {
        let (sender, signals) = mpsc::channel(QUEUE);
        let (begun, has_begun) = sync_channel(1);
        let refused =
            |error: std::io::Error| DaemonError::Refused(format!("cannot wait for signals: {error}"));
        std::thread::Builder::new()
            .name("gm-signals".to_owned())
            .spawn(move || listen(with_input, timeout, &sender, &begun))
            .map_err(refused)?;
        match has_begun.recv() {
            Ok(Ok(())) => Ok(Signals(signals)),
            Ok(Err(error)) => Err(refused(error)),
            Err(_) => Err(refused(std::io::ErrorKind::Other.into())),
        }
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) -> SignalEvent {
        match self.0.recv().await {
            Some(signalled) => signalled,
            // The thread runs until the process ends.
            None => pending().await,
        }
    }
}

impl SignalSources {
    fn new(with_input: bool) -> std::io::Result<SignalSources> {
        Ok(SignalSources {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
            stdin: stdin::watch_stdin(with_input),
        })
    }

    async fn next(&mut self) -> SignalEvent {
        let input = async {
            match &mut self.stdin {
                Some(input) => drop(input.await),
                None => pending().await,
            }
        };
        tokio::select! {
            () = input => {
                self.stdin = None;
                SignalEvent::End(STDIN_END)
            }
            _ = self.terminate.recv() => SignalEvent::End("SIGTERM"),
            _ = self.interrupt.recv() => SignalEvent::End("SIGINT"),
            _ = self.hang_up.recv() => SignalEvent::Reload,
        }
    }
}

/// Body of the thread: forwards signals, and ends the process if the daemon does not end in time.
fn listen(
    with_input: bool,
    timeout: Duration,
    sender: &mpsc::Sender<SignalEvent>,
    begun: &SyncSender<std::io::Result<()>>,
) {
    // The thread has its own runtime, because the daemon's may hang.
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(begun.send(Err(error))),
    };
    runtime.block_on(async {
        let mut sources = match SignalSources::new(with_input) {
            Ok(sources) => sources,
            Err(error) => return drop(begun.send(Err(error))),
        };
        drop(begun.send(Ok(())));
        let mut deadline: Option<Instant> = None;
        let mut first: Option<Instant> = None;
        loop {
            let over = async {
                match deadline {
                    Some(deadline) => sleep_until(deadline).await,
                    None => pending().await,
                }
            };
            let signalled = tokio::select! {
                signalled = sources.next() => signalled,
                () = over => exit_with(&format!(
                    "the daemon did not end within {} s, and is killed: a file system, the disk or the reader of the log does not respond",
                    timeout.as_secs_f64()
                )),
            };
            if let SignalEvent::End(name) = signalled {
                let now = Instant::now();
                deadline.get_or_insert(now + timeout);
                if name != STDIN_END && now.duration_since(*first.get_or_insert(now)) > SECOND_SIGNAL_AFTER {
                    exit_with(&format!("{name} came again during the shutdown, so the daemon is killed at once"));
                }
            }
            // If the queue is full, the daemon has signals to handle anyway.
            let _ = sender.try_send(signalled);
        }
    });
}

/// Ends the process, with a last message if standard error accepts it. Unanswered writes may or may
/// not be stored.
fn exit_with(words: &str) -> ! {
    let words = format!("error: {words}. Unanswered writes may or may not stand: check with `topology`\n");
    let (printed, is_printed) = sync_channel(1);
    let say = move || {
        let _ = std::io::stderr().write_all(words.as_bytes());
        let _ = printed.send(());
    };
    if std::thread::Builder::new().spawn(say).is_ok() {
        let _ = is_printed.recv_timeout(PRINT_TIMEOUT);
    }
    exit(1)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    use super::*;

    const CHILD: &str = "GM_SIGNALS_CHILD";

    /// Helper of the next test: a daemon that hangs.
    #[test]
    fn child() {
        if std::env::var_os(CHILD).is_none() {
            return;
        }
        let _signals = Signals::new(false, Duration::from_millis(300)).unwrap();
        std::io::stdout().write_all(b"\nready\n").unwrap();
        loop {
            std::thread::park();
        }
    }

    #[test]
    fn a_hanging_daemon_ends_in_time_after_one_signal() {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["daemon::signals::tests::child", "--exact", "--nocapture"])
            .env(CHILD, "")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let mut words = String::new();
        child.stderr.take().unwrap().read_to_string(&mut words).unwrap();
        assert!(words.contains("did not end within 0.3 s, and is killed"), "{words}");
    }

    #[tokio::test]
    async fn signals_are_received() {
        let mut signals = Signals::new(false, Duration::from_secs(3_600)).unwrap();
        let pid = std::process::id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        assert_eq!(signals.next().await, SignalEvent::Reload);
    }
}
