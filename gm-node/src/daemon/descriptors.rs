//! File descriptors: the limit of this process, one reserved for the control socket, and the warning when all are in use.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Notify;

/// How long the warning remains after descriptors ran out.
const RECENT: Duration = Duration::from_secs(600);
/// If they run out again after this time, it counts as another time.
const APART: Duration = Duration::from_secs(10);

/// Raises the soft limit of open files to the hard limit. Systems keep the soft limit low for programs that use `select`.
pub(super) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: maximum, maximum };
    if current != maximum
        && let Err(error) = setrlimit(Resource::Nofile, wanted)
    {
        tracing::debug!("the limit of open files stays at {current:?}: {error}");
    }
}

/// Whether an error means that this process or the system has no descriptor left.
pub(super) fn are_used_up(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno == Some(Errno::MFILE) || errno == Some(Errno::NFILE)
}

/// How often and when descriptors ran out.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(Mutex<Times>);

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    count: u64,
    last: Option<Instant>,
}

impl Descriptors {
    /// Notes that they have run out, and logs it once each time.
    pub(super) fn note(&self) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_another = times.last.is_none_or(|last| last.elapsed() > APART);
        times.last = Some(Instant::now());
        if is_another {
            times.count += 1;
            tracing::error!("all file descriptors are in use: {}", remedy());
        }
    }

    /// The warning for `status`, if they have run out or did so a while ago.
    pub(super) fn warning(&self) -> Option<String> {
        if File::open("/dev/null").is_err_and(|error| are_used_up(&error)) {
            self.note();
            return Some(format!("all file descriptors are in use: {}", remedy()));
        }
        let Times { count, last } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ago = last.map(|last| last.elapsed()).filter(|ago| *ago < RECENT)?.as_secs();
        let times = if count == 1 { "once".to_owned() } else { format!("{count} times") };
        Some(format!("all file descriptors were in use {times}, last {ago} s ago: {}", remedy()))
    }
}

fn remedy() -> String {
    let limit = getrlimit(Resource::Nofile)
        .current
        .map_or_else(|| "the system's".to_owned(), |limit| limit.to_string());
    let pid = std::process::id();
    format!(
        "connections of nodes and commands wait or are refused. The limit is {limit}: raise it by `LimitNOFILE=` of the service or by `ulimit -n`; `ls -l /proc/{pid}/fd` shows what holds them"
    )
}

/// The reserved descriptor. The control socket releases it when no other is left, so that it can still accept one connection.
#[derive(Debug)]
pub(super) struct Spare {
    held: Mutex<Option<OwnedFd>>,
    back: Notify,
}

impl Spare {
    pub(super) fn new() -> Spare {
        let spare = Spare { held: Mutex::default(), back: Notify::new() };
        spare.refill();
        spare
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<OwnedFd>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens one if none is held. It fails while there is none.
    pub(super) fn refill(&self) {
        let mut held = self.held();
        if held.is_none() {
            *held = File::open("/dev/null").ok().map(OwnedFd::from);
        }
    }

    /// Closes it; `false` if none is held.
    pub(super) fn give_up(&self) -> bool {
        self.held().take().is_some()
    }

    /// Holds that one again.
    pub(super) fn give_back(&self, descriptor: OwnedFd) {
        *self.held() = Some(descriptor);
        self.back.notify_one();
    }

    /// Waits until one was given back.
    pub(super) async fn is_back(&self) {
        self.back.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_up_is_counted_once_and_named_with_the_remedy() {
        let descriptors = Descriptors::default();
        assert_eq!(descriptors.warning(), None);
        descriptors.note();
        descriptors.note();
        let warning = descriptors.warning().unwrap();
        assert!(warning.contains("in use once") && warning.contains("LimitNOFILE="), "{warning}");
        assert!(are_used_up(&Errno::MFILE.into()) && are_used_up(&Errno::NFILE.into()));
        assert!(!are_used_up(&io::ErrorKind::Other.into()));
    }

    #[test]
    fn the_spare_is_given_up_once() {
        let spare = Spare::new();
        assert!(spare.give_up() && !spare.give_up());
        spare.refill();
        assert!(spare.give_up());
        spare.give_back(File::open("/dev/null").unwrap().into());
        assert!(spare.give_up());
    }
}
