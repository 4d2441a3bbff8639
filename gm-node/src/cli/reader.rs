//! Whether somebody still reads our standard output. A command that prints only when something happens would else stay until then. Knows nothing of what
//! is printed.

use std::io::stdout;
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use tokio::sync::oneshot;

/// Comes when standard output is a pipe, a socket or a terminal that nobody reads any more; else never.
pub(crate) fn gone() -> oneshot::Receiver<()> {
    let (gone, is_gone) = oneshot::channel();
    // The system only tells who waits for it: this thread does, and ends with the process.
    std::thread::spawn(move || {
        if is_closed(stdout()) {
            // Nobody waits for it if the command ends already.
            let _ = gone.send(());
        } else {
            // It cannot be told: then nothing comes.
            loop {
                std::thread::park();
            }
        }
    });
    is_gone
}

/// Waits until the other side is closed; false if that cannot be waited for.
fn is_closed(output: impl AsFd) -> bool {
    loop {
        // Errors and the end are always told, and nothing else is asked for.
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
