//! Handling of the limit of file sizes (`ulimit -f`): a write beyond it fails, as on a full disk,
//! instead of killing the process without a message.

use rustix::process::Signal;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Ignores the signal of that limit from now on. Then the write fails, and its caller reports the
/// error.
pub(crate) fn ignore_signal() {
    // The handler remains when the runtime is dropped. If it cannot be installed, the program runs
    // without it.
    if let Ok(runtime) = Builder::new_current_thread().enable_io().build() {
        let _guard = runtime.enter();
        drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())));
    }
}
