//! The end of standard input, as a reason to end: who started us holds the other side, and it
//! closes however they end. Knows nothing of the node.

use std::io::{Read, stdin};

use tokio::sync::oneshot;

/// Comes when standard input has ended. If it is not `watched`, never.
pub(crate) fn watch_stdin(watched: bool) -> Option<oneshot::Receiver<()>> {
    if !watched {
        return None;
    }
    let (ended, receiver) = oneshot::channel();
    // Reading blocks, and nothing else here may: it has a thread, which ends with the process.
    std::thread::spawn(move || {
        let mut bytes = [0; 256];
        while matches!(stdin().read(&mut bytes), Ok(1..)) {}
        // Nobody waits for it any longer if we end already.
        let _ = ended.send(());
    });
    Some(receiver)
}
