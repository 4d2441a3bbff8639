//! Standard output: JSON on one line, or text for people.

use std::io::{self, Write};

use serde::Serialize;

use super::error::CommandError;
use super::table::escape_invisible;

/// Prints the answers of a command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Printer {
    json: bool,
    is_unread: bool,
}

impl Printer {
    /// Creates a printer for JSON or for text.
    pub(crate) fn new(json: bool) -> Printer {
        Printer { json, is_unread: false }
    }

    /// Whether the reader of standard output has closed it.
    pub(crate) const fn is_unread(&self) -> bool {
        self.is_unread
    }

    /// Prints an answer and flushes. A closed pipe is not an error.
    pub(crate) fn print_shape<T: Serialize + ?Sized>(
        &mut self,
        shape: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), CommandError> {
        let mut output = if self.json { to_json(shape)? } else { text(shape) };
        if !output.ends_with('\n') {
            output.push('\n');
        }
        self.print(&output)
    }

    /// Whether the output is JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Prints a part of an answer, and flushes.
    pub(crate) fn print(&mut self, text: &str) -> Result<(), CommandError> {
        let mut output = io::stdout().lock();
        match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.is_unread = true,
            Err(error) => return Err(CommandError::Output(error)),
            Ok(()) => {}
        }
        Ok(())
    }

    /// Prints a failure on standard error, and with JSON on standard output too.
    pub(crate) fn print_error(&mut self, failure: &CommandError) {
        if self.json && !matches!(failure, CommandError::Output(_) | CommandError::WriteOutput(_)) {
            // If this fails, standard error and the exit code still report the failure.
            let _ = self.print_shape(&failure.as_json(), |error| error.error.clone());
        }
        let _ = writeln!(io::stderr(), "gm-node: {}", escape_invisible(&failure.to_string()));
    }
}

/// Formats an answer as JSON on one line.
pub(super) fn to_json<T: Serialize + ?Sized>(shape: &T) -> Result<String, CommandError> {
    serde_json::to_string(shape).map_err(|error| CommandError::Output(error.into()))
}
