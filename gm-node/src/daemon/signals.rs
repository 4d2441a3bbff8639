//! What signals mean for the daemon, and the end of standard input where that is watched. They are
//! heard by a thread that waits for nothing else, so that the process ends when it should, whatever
//! hangs: a file system that does not answer, a disk that does not finish a write, a log that
//! nobody reads.

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

/// Signals that wait for the daemon; one more says nothing new.
const QUEUE: usize = 4;
/// A second signal within this time of the first is the same one: whoever passes signals on may do
/// so twice.
const SECOND_SIGNAL_AFTER: Duration = Duration::from_secs(1);
/// How long the last words may take: standard error may be what hangs.
const PRINT_TIMEOUT: Duration = Duration::from_millis(200);

/// What ends the daemon and is no signal.
const STDIN_END: &str = "the end of standard input";

/// What signals mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SignalEvent {
    End(&'static str),
    Reload,
}

/// What comes from the thread.
#[derive(Debug)]
pub(super) struct Signals(mpsc::Receiver<SignalEvent>);

/// What the thread waits for.
struct SignalSources {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
    stdin: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// Hears signals from now on. `bound`: how long after the first that ends the daemon the
    /// process ends in any case; a second signal, a while later, ends it at once.
    pub(super) fn new(with_input: bool, bound: Duration) -> Result<Signals, DaemonError> {
        let (told, signals) = mpsc::channel(QUEUE);
        let (begun, has_begun) = sync_channel(1);
        let refused =
            |error: std::io::Error| DaemonError::Refused(format!("cannot wait for signals: {error}"));
        std::thread::Builder::new()
            .name("gm-signals".to_owned())
            .spawn(move || listen(with_input, bound, &told, &begun))
            .map_err(refused)?;
        match has_begun.recv() {
            Ok(Ok(())) => Ok(Signals(signals)),
            Ok(Err(error)) => Err(refused(error)),
            Err(_) => Err(refused(std::io::ErrorKind::Other.into())),
        }
    }

    /// The next.
    pub(super) async fn next(&mut self) -> SignalEvent {
        match self.0.recv().await {
            Some(signalled) => signalled,
            // The thread ends with the process only.
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

/// The thread: passes on what comes, and ends the process if the daemon does not in time.
fn listen(
    with_input: bool,
    bound: Duration,
    told: &mpsc::Sender<SignalEvent>,
    begun: &SyncSender<std::io::Result<()>>,
) {
    // A runtime of its own: the daemon's may be what hangs.
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
                    "the daemon did not end within {} s, and is ended: a file system, the disk or the reader of the log does not answer",
                    bound.as_secs_f64()
                )),
            };
            if let SignalEvent::End(name) = signalled {
                let now = Instant::now();
                deadline.get_or_insert(now + bound);
                if name != STDIN_END && now.duration_since(*first.get_or_insert(now)) > SECOND_SIGNAL_AFTER {
                    exit_with(&format!("{name} came again while the daemon ended, and it is ended at once"));
                }
            }
            // If as many wait already, the daemon will hear of it all the same, or hangs.
            let _ = told.try_send(signalled);
        }
    });
}

/// Ends the process, with last words if somebody takes them. What had no answer may be stored or
/// not.
fn exit_with(words: &str) -> ! {
    let words =
        format!("error: {words}. Writes that were not answered may stand or not: look with `topology`\n");
    let (said, is_said) = sync_channel(1);
    let say = move || {
        let _ = std::io::stderr().write_all(words.as_bytes());
        let _ = said.send(());
    };
    if std::thread::Builder::new().spawn(say).is_ok() {
        let _ = is_said.recv_timeout(PRINT_TIMEOUT);
    }
    exit(1)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Command, Stdio};

    use super::*;

    const CHILD: &str = "GM_SIGNALS_CHILD";

    /// Not a test of its own: a daemon that hangs.
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
        assert!(words.contains("did not end within 0.3 s, and is ended"), "{words}");
    }

    #[tokio::test]
    async fn signals_are_received() {
        let mut signals = Signals::new(false, Duration::from_secs(3_600)).unwrap();
        let pid = std::process::id().to_string();
        assert!(Command::new("kill").args(["-HUP", &pid]).status().unwrap().success());
        assert_eq!(signals.next().await, SignalEvent::Reload);
    }
}
