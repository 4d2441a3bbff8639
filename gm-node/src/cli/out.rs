//! Standard output: JSON on one line, or text for people. Knows no shape.

use std::io::{self, Write};

use serde::Serialize;

use super::failure::Failure;
use super::table::plain;

/// Where a command says what it found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Out {
    json: bool,
    is_unread: bool,
}

impl Out {
    /// As JSON, or for people.
    pub(crate) fn new(json: bool) -> Out {
        Out { json, is_unread: false }
    }

    /// Whether the reader of standard output has closed it.
    pub(crate) const fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Prints it, and flushes. A closed pipe is no failure: the reader has read enough.
    pub(crate) fn say<T: Serialize + ?Sized>(
        &mut self,
        shape: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        let mut said = if self.json { json(shape)? } else { text(shape) };
        if !said.ends_with('\n') {
            said.push('\n');
        }
        self.print(&said)
    }

    /// Whether it is for programs.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a part of an answer, and flushes.
    pub(crate) fn print(&mut self, said: &str) -> Result<(), Failure> {
        let mut output = io::stdout().lock();
        match output.write_all(said.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.is_unread = true,
            Err(error) => return Err(Failure::Output(error)),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Says why there is nothing to say: to people on standard error, and to programs besides.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        if self.json && !matches!(failure, Failure::Output(_) | Failure::Written(_)) {
            // If this cannot be written, the line below and the exit code say it all the same.
            let _ = self.say(&failure.as_json(), |error| error.error.clone());
        }
        let _ = writeln!(io::stderr(), "gm-node: {}", plain(&failure.to_string()));
    }
}

/// As JSON, on one line.
pub(super) fn json<T: Serialize + ?Sized>(shape: &T) -> Result<String, Failure> {
    serde_json::to_string(shape).map_err(|error| Failure::Output(error.into()))
}
