//! The program `gm-node`: the daemon, the command line that controls it, and a demo.
//!
//! Exit codes: 0 success; 1 refused; 2 usage error; 3 no daemon answers; 4 the wait timed out or
//! fewer members acknowledged than requested; 5 the write may or may not stand; 6 success, but the
//! answer cannot be printed; 7 the group is not hosted here, or was not compared with another host
//! yet.

mod cli;
mod daemon;
mod demo;
mod file_size_limit;
#[cfg(test)]
mod message_tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use gm_daemon::api::ErrorKind;

/// Options of every command, accepted before and after its name.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// Control socket of the daemon [default: gm.sock in the data directory] [env:
    /// GROUP_MANAGER_API]
    #[arg(long, global = true, value_name = "unix:PATH", help_heading = "Connection")]
    pub(crate) api: Option<String>,
    /// Data directory of the daemon; other users must not be able to write to it [env:
    /// GROUP_MANAGER_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR", help_heading = "Connection")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Print the answer as JSON on one line; errors too, as {"error": ..., "kind": ...}
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Global {
    /// Adds values from the environment. A flag that names the daemon takes precedence over both
    /// variables.
    fn or_environment(mut self) -> Global {
        let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if self.api.is_none() && self.data_dir.is_none() {
            self.api = variable("GROUP_MANAGER_API").and_then(|api| api.into_string().ok());
        }
        self.data_dir = self.data_dir.or_else(|| variable("GROUP_MANAGER_DATA_DIR").map(PathBuf::from));
        self
    }
}

#[derive(Clone, Debug, Parser)]
#[command(name = "gm-node", version, about = "Replicated group membership and key-range directory")]
struct Program {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Run the daemon
    #[command(
        after_help = "Example: gm-node run --cluster production --key-file gm.key --data-dir /var/lib/gm --seed 10.0.0.1:29999",
        after_long_help = daemon::help("Example: gm-node run --cluster production --key-file gm.key --data-dir /var/lib/gm --seed 10.0.0.1:29999")
    )]
    Run(Box<daemon::Flags>),
    /// Check the settings that `run` would use, and print where each value comes from
    #[command(
        after_help = "Example: gm-node check --config gm.toml",
        after_long_help = daemon::help("Example: gm-node check --config gm.toml")
    )]
    Check(Box<daemon::Flags>),
    /// Print a new random key for the key file
    #[command(after_help = "Example: (umask 077; gm-node keygen > gm.key)")]
    Keygen,
    /// Print the content of a data directory as JSON; no daemon may be using it
    #[command(after_help = "Example: gm-node dump --data-dir /var/lib/gm > gm.json")]
    Dump,
    /// Create a data directory from the output of `dump`
    #[command(after_help = "Example: gm-node restore gm.json --data-dir /var/lib/gm-new")]
    Restore {
        /// File with the dump; `-` reads standard input
        file: PathBuf,
    },
    /// Start several daemons on this machine and show how they form a group
    #[command(after_help = "Example: gm-node demo --nodes 5 --keep")]
    Demo(demo::Args),
    #[command(flatten)]
    Client(cli::ClientCommand),
}

/// Commands that run, prepare or demonstrate a daemon.
const DAEMON_COMMANDS: &[&str] = &["run", "check", "keygen", "dump", "restore", "demo"];
/// Commands that read from a running daemon.
const QUERIES: &[&str] =
    &["status", "peers", "groups", "members", "topology", "coverage", "locate", "watch", "wait"];
/// Commands that write through a running daemon.
const WRITES: &[&str] =
    &["join", "leave", "serve", "unserve", "priority", "change", "forget", "purge", "resume"];

/// The command line, with its commands listed in three blocks.
fn command_line() -> clap::Command {
    let command = Program::command();
    let block = |heading: &str, names: &[&str]| {
        let line = |name: &&str| {
            let about = command.find_subcommand(name).and_then(clap::Command::get_about);
            format!("  {name:<9} {}\n", about.map(ToString::to_string).unwrap_or_default())
        };
        format!("{heading}:\n{}\n", names.iter().map(line).collect::<String>())
    };
    let blocks = [block("Daemon", DAEMON_COMMANDS), block("Queries", QUERIES), block("Writes", WRITES)];
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n\n{}Options:\n{{options}}{{after-help}}",
        blocks.concat()
    );
    command
        .help_template(template)
        .after_help("Run gm-node help COMMAND for the options of a command.\nExample: gm-node status --data-dir /var/lib/gm")
}

fn parse() -> Result<Program, clap::Error> {
    let mut command = command_line();
    let matches = command.try_get_matches_from_mut(std::env::args_os())?;
    Program::from_arg_matches(&matches).map_err(|error| error.format(&mut command))
}

fn main() -> ExitCode {
    file_size_limit::ignore_signal();
    let Program { global, command } = match parse() {
        Ok(program) => program,
        Err(error) => return report_usage_error(&error),
    };
    // The daemon reads the environment itself, because it reports where each value comes from.
    match &command {
        Command::Run(flags) => return daemon::run(&global, flags),
        Command::Check(flags) => return daemon::check(&global, flags),
        _ => {}
    }
    let global = global.or_environment();
    match command {
        Command::Run(_) | Command::Check(_) => ExitCode::SUCCESS,
        Command::Keygen => daemon::keygen(&global),
        Command::Dump => daemon::dump(&global),
        Command::Restore { file } => daemon::restore(&global, &file),
        Command::Demo(_) if global.json => {
            let why = "`demo` has no JSON output: leave --json out".to_owned();
            daemon::report_errors(&[daemon::DaemonError::Usage(why)], true)
        }
        Command::Demo(args) => demo::run(args),
        Command::Client(command) => cli::run(command, &global),
    }
}

/// Prints clap's message: the help, the version or a usage error. With `--json` a usage error is
/// also printed as JSON.
fn report_usage_error(error: &clap::Error) -> ExitCode {
    // A failure to print is not reported: the exit code still shows the outcome.
    let _ = error.print();
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if json && error.use_stderr() {
        let text = error.to_string();
        // The paragraphs after the first describe the usage, for people.
        let why = text.split("\n\n").next().unwrap_or_default().trim();
        daemon::print_refusal(why.strip_prefix("error: ").unwrap_or(why), ErrorKind::Usage);
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn help_lists_each_command_in_one_block_with_an_example() {
        let command = command_line();
        let listed: Vec<&str> = [DAEMON_COMMANDS, QUERIES, WRITES].concat();
        let mut names: Vec<&str> = command.get_subcommands().map(clap::Command::get_name).collect();
        let mut sorted = listed.clone();
        sorted.sort_unstable();
        names.sort_unstable();
        assert_eq!(sorted, names);
        for command in command.get_subcommands() {
            let example = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(example.starts_with("Example"), "{}", command.get_name());
        }
    }
}
