//! Detects the end of standard input, which ends the daemon with `--exit-with-stdin`: the process
//! that started it holds the other side, which closes however that process ends.

use std::io::{Read, stdin};

use tokio::sync::oneshot;

/// Returns a receiver that resolves when standard input has ended; `None` if it is not `watched`.
pub(crate) fn watch_stdin(watched: bool) -> Option<oneshot::Receiver<()>> {
    if !watched {
        return None;
    }
    let (ended, receiver) = oneshot::channel();
    // Reading blocks, so it needs a thread, which ends with the process.
    std::thread::spawn(move || {
        let mut bytes = [0; 256];
        while matches!(stdin().read(&mut bytes), Ok(1..)) {}
        // This fails if the daemon is ending already.
        let _ = ended.send(());
    });
    Some(receiver)
}
