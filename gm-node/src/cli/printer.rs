//! Standard output: JSON on one line, or text for people. Knows no shape.

use std::io::{self, Write};

use serde::Serialize;

use super::error::CommandError;
use super::table::escape_invisible;

/// Where a command says what it found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
    is_unread: bool,
}

impl Printer {
    /// As JSON, or for people.
    pub(crate) fn new(json: bool) -> Printer {
        Printer { json, is_unread: false }
    }

    /// Whether the reader of standard output has closed it.
    pub(crate) const fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Prints it, and flushes. A closed pipe is no failure: the reader has read enough.
    pub(crate) fn print_shape<T: Serialize + ?Sized>(
        &mut self,
        shape: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CommandError> {
        let mut said = if self.json { to_json(shape)? } else { text(shape) };
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
    pub(crate) fn print(&mut self, said: &str) -> Result<(), CommandError> {
        let mut output = io::stdout().lock();
        match output.write_all(said.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.is_unread = true,
            Err(error) => return Err(CommandError::Output(error)),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Says why there is nothing to say: to people on standard error, and to programs besides.
    pub(crate) fn print_error(&mut self, failure: &CommandError) {
        if self.json && !matches!(failure, CommandError::Output(_) | CommandError::WriteOutput(_)) {
            // If this cannot be written, the line below and the exit code say it all the same.
            let _ = self.print_shape(&failure.as_json(), |error| error.error.clone());
        }
        let _ = writeln!(io::stderr(), "gm-node: {}", escape_invisible(&failure.to_string()));
    }
}

/// As JSON, on one line.
pub(super) fn to_json<T: Serialize + ?Sized>(shape: &T) -> Result<String, CommandError> {
    serde_json::to_string(shape).map_err(|error| CommandError::Output(error.into()))
}
