//! The limit of file sizes (`ulimit -f`): a write beyond it fails, as on a full disk, instead of
//! ending the process without a word.

use rustix::process::Signal;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// Handles the signal of that limit, from now on, by doing nothing: then the system refuses the
/// write, and whoever wrote says so.
pub(crate) fn ignore_signal() {
    // It stays handled when the runtime is gone. If it cannot be handled, all goes on as without
    // it.
    if let Ok(runtime) = Builder::new_current_thread().enable_io().build() {
        let _guard = runtime.enter();
        drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())));
    }
}
