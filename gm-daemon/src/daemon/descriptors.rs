//! File descriptors: the limit of this process, one reserved for the control socket, and the
//! warning when all are in use.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::sync::Notify;

/// Time that the warning remains after descriptors ran out.
const WARN_FOR: Duration = Duration::from_secs(600);
/// If they run out again after this time, it counts as another time.
const COUNT_INTERVAL: Duration = Duration::from_secs(10);

/// Raises the soft limit of open files to the hard limit. Systems keep the soft limit low for
/// programs that use `select`.
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
pub(super) fn is_exhausted(error: &io::Error) -> bool {
    let errno = Errno::from_io_error(error);
    errno == Some(Errno::MFILE) || errno == Some(Errno::NFILE)
}

/// Number of times that descriptors ran out, and the last time.
#[derive(Debug, Default)]
pub(crate) struct Descriptors(Mutex<ExhaustionCount>);

#[derive(Clone, Copy, Debug, Default)]
struct ExhaustionCount {
    count: u64,
    last: Option<Instant>,
}

impl Descriptors {
    /// Notes that they have run out, and logs it once each time.
    pub(super) fn record_exhaustion(&self) {
        let mut times = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_another = times.last.is_none_or(|last| last.elapsed() > COUNT_INTERVAL);
        times.last = Some(Instant::now());
        if is_another {
            times.count += 1;
            tracing::error!("all file descriptors are in use: {}", remedy());
        }
    }

    /// The warning for `status`, if they have run out or did so a while ago.
    pub(super) fn warning(&self) -> Option<String> {
        if File::open("/dev/null").is_err_and(|error| is_exhausted(&error)) {
            self.record_exhaustion();
            return Some(format!("all file descriptors are in use: {}", remedy()));
        }
        let ExhaustionCount { count, last } = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ago = last.map(|last| last.elapsed()).filter(|ago| *ago < WARN_FOR)?.as_secs();
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
        "connections of nodes and commands wait or are refused. The limit is {limit}: raise it by `LimitNOFILE=` of the service or by `ulimit -n`; `ls -l /proc/{pid}/fd` lists them"
    )
}

/// The reserved descriptor. The control socket releases it when no other is left, so that it can
/// still accept one connection.
#[derive(Debug)]
pub(super) struct SpareDescriptor {
    descriptor: Mutex<Option<OwnedFd>>,
    returned: Notify,
}

impl SpareDescriptor {
    pub(super) fn new() -> SpareDescriptor {
        let spare = SpareDescriptor { descriptor: Mutex::default(), returned: Notify::new() };
        spare.refill();
        spare
    }

    fn descriptor(&self) -> std::sync::MutexGuard<'_, Option<OwnedFd>> {
        self.descriptor.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the descriptor if it is not open. This fails while none is free.
    pub(super) fn refill(&self) {
        let mut descriptor = self.descriptor();
        if descriptor.is_none() {
            *descriptor = File::open("/dev/null").ok().map(OwnedFd::from);
        }
    }

    /// Closes the descriptor; `false` if it is not open.
    pub(super) fn release(&self) -> bool {
        self.descriptor().take().is_some()
    }

    /// Reserves that descriptor again.
    pub(super) fn restore(&self, descriptor: OwnedFd) {
        *self.descriptor() = Some(descriptor);
        self.returned.notify_one();
    }

    /// Waits until the descriptor was returned.
    pub(super) async fn returned(&self) {
        self.returned.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exhaustion_is_counted_once_and_named_with_a_remedy() {
        let descriptors = Descriptors::default();
        assert_eq!(descriptors.warning(), None);
        descriptors.record_exhaustion();
        descriptors.record_exhaustion();
        let warning = descriptors.warning().unwrap();
        assert!(warning.contains("in use once") && warning.contains("LimitNOFILE="), "{warning}");
        assert!(is_exhausted(&Errno::MFILE.into()) && is_exhausted(&Errno::NFILE.into()));
        assert!(!is_exhausted(&io::ErrorKind::Other.into()));
    }

    #[test]
    fn the_spare_is_released_once() {
        let spare = SpareDescriptor::new();
        assert!(spare.release() && !spare.release());
        spare.refill();
        assert!(spare.release());
        spare.restore(File::open("/dev/null").unwrap().into());
        assert!(spare.release());
    }
}
