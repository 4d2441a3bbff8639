//! Detects that the reader of standard output is gone. Otherwise `watch`, which prints only when
//! the group changes, would run until the next change.

use std::io::stdout;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::oneshot;

/// Resolves when standard output is a pipe, a socket or a terminal whose other side is closed.
pub(crate) fn reader_closed() -> oneshot::Receiver<()> {
    let (gone, is_gone) = oneshot::channel();
    // The thread blocks in `poll` until then, and ends with the process.
    std::thread::spawn(move || {
        if is_closed(stdout()) {
            // The receiver is gone if the command has ended already.
            let _ = gone.send(());
        } else {
            // It cannot be detected: the receiver never resolves.
            loop {
                std::thread::park();
            }
        }
    });
    is_gone
}

/// Blocks until the other side is closed; `false` if that cannot be detected.
fn is_closed(output: impl AsFd) -> bool {
    loop {
        // `poll` always reports errors and hang-ups; nothing else is requested.
        let mut ends = [PollFd::new(&output, PollFlags::empty())];
        match poll(&mut ends, None) {
            Ok(_) if ends[0].revents().intersects(PollFlags::ERR | PollFlags::HUP) => return true,
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return false,
        }
        if ends[0].revents().contains(PollFlags::NVAL) {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipe_is_closed_when_its_reader_is_gone() {
        let (reader, writer) = std::io::pipe().unwrap();
        let waiting = std::thread::spawn(move || is_closed(writer));
        drop(reader);
        assert!(waiting.join().unwrap());
    }
}
