//! Scripts: text files of commands, with a transcript of the resulting messages below each command.
//! The transcripts are for readers; a test compares them.
//!
//! A line that begins with `> ` is a command (see `script/command.rs`). The lines below it up to an
//! empty one are its transcript. Lines that begin with `#` are comments. A run returns the same
//! text with current transcripts.
//!
//! Reading order: `script/command.rs`, `script/transcript.rs` (lines of the transcript),
//! `script/names.rs`.

mod command;
mod names;
mod transcript;

use std::fmt::Write as _;

use command::Interpreter;

/// Runs a script, and returns it with the transcript of this run below each command.
///
/// # Errors
/// The number of the line with an invalid command, and the reason.
pub fn run(text: &str) -> Result<String, String> {
    let mut stage = Interpreter::default();
    let mut out = String::new();
    let mut transcript = false;
    for (number, line) in (1..).zip(text.lines()) {
        let keeps = line.is_empty() || line.starts_with('#');
        if let Some(command) = line.strip_prefix("> ") {
            let output = stage.run(command).map_err(|error| format!("line {number}: {error}"))?;
            transcript = true;
            // Writing to a `String` cannot fail.
            let _ = writeln!(out, "{line}\n{output}");
            out.truncate(out.trim_end().len());
            out.push('\n');
        } else if keeps || !transcript {
            transcript = transcript && !line.is_empty();
            if !keeps {
                return Err(format!("line {number}: neither a command nor part of a transcript: `{line}`"));
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
        let output = run(script).unwrap();
        assert!(
            output.starts_with("# Two nodes.\n> world a | b: known\n> start a b\n\n> run 1ms\n> status a\n"),
            "{output}"
        );
        assert!(output.contains("no island"), "{output}");
        assert_eq!(run(&output).unwrap(), output);
    }

    #[test]
    fn errors_name_their_line() {
        assert!(run("> world a\n> sing\n").unwrap_err().starts_with("line 2: "));
        assert!(run("what\n").unwrap_err().starts_with("line 1: "));
        assert!(run("> run 1ms\n").unwrap_err().starts_with("line 1: "));
        assert!(run("> world a\n> crash z\n").unwrap_err().starts_with("line 2: "));
    }
}
