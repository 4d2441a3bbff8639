//! Conversations as text: a file of commands, and below each what was said because of it. Knows no
//! checks: who reads a transcript does.
//!
//! A line that begins with `> ` is a command (see `script/command.rs` for all of them), the lines
//! below it up to an empty one are its transcript, and lines that begin with `#` are for the
//! reader. A run gives the same text with the transcripts that are true now.
//!
//! Reading order: `script/command.rs`, `script/transcript.rs` (what is written down),
//! `script/decoder.rs` (frames are opened), `script/names.rs`.

mod command;
mod decoder;
mod names;
mod transcript;

use std::fmt::Write as _;

use command::Interpreter;

/// Runs a script, and says it again with what happens now below each command.
///
/// # Errors
/// The number of the line that is no command, and why.
pub fn run(text: &str) -> Result<String, String> {
    let mut stage = Interpreter::default();
    let mut out = String::new();
    let mut transcript = false;
    for (number, line) in (1..).zip(text.lines()) {
        let keeps = line.is_empty() || line.starts_with('#');
        if let Some(command) = line.strip_prefix("> ") {
            let said = stage.run(command).map_err(|error| format!("line {number}: {error}"))?;
            transcript = true;
            // A string takes everything.
            let _ = writeln!(out, "{line}\n{said}");
            out.truncate(out.trim_end().len());
            out.push('\n');
        } else if keeps || !transcript {
            transcript = transcript && !line.is_empty();
            if !keeps {
                return Err(format!("line {number}: neither a command nor below one: `{line}`"));
            }
            let _ = writeln!(out, "{line}");
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_is_repeated_with_its_transcript() {
        let script =
            "# Two nodes.\n> world a | b: known\n> start a b\nwhatever was here\n\n> run 1ms\n> status a\n";
        let said = run(script).unwrap();
        assert!(
            said.starts_with("# Two nodes.\n> world a | b: known\n> start a b\n\n> run 1ms\n> status a\n"),
            "{said}"
        );
        assert!(said.contains("island of its own"), "{said}");
        assert_eq!(run(&said).unwrap(), said);
    }

    #[test]
    fn errors_name_their_line() {
        assert!(run("> world a\n> sing\n").unwrap_err().starts_with("line 2: "));
        assert!(run("what\n").unwrap_err().starts_with("line 1: "));
        assert!(run("> run 1ms\n").unwrap_err().starts_with("line 1: "));
        assert!(run("> world a\n> crash z\n").unwrap_err().starts_with("line 2: "));
    }
}
