//! The program `gm-node`: the daemon, the command line, the demo. Knows nothing that the library
//! does not say.
//!
//! Exit codes: 0 done, 1 refused, 2 usage, 3 no daemon answers, 4 timed out or settled short, 5 not
//! known whether a write stands, 6 done but not printed.

mod cli;
mod daemon;
mod demo;
mod file_size_limit;
#[cfg(test)]
mod message_tests;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

/// What every command takes, before it or behind it.
#[derive(Clone, Debug, Args)]
pub(crate) struct Global {
    /// The control socket [default: gm.sock in the data directory] [env: GROUP_MANAGER_API]
    #[arg(long, global = true, value_name = "unix:PATH")]
    pub(crate) api: Option<String>,
    /// The data directory of the daemon, to which nobody else may write [env:
    /// GROUP_MANAGER_DATA_DIR]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Answer as JSON, refusals too: {"error": ..., "kind": ...}
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

impl Global {
    /// With what the environment says. Where a flag says which daemon is meant, the environment
    /// does not.
    fn or_environment(mut self) -> Global {
        let said = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        if self.api.is_none() && self.data_dir.is_none() {
            self.api = said("GROUP_MANAGER_API").and_then(|api| api.into_string().ok());
        }
        self.data_dir = self.data_dir.or_else(|| said("GROUP_MANAGER_DATA_DIR").map(PathBuf::from));
        self
    }
}

#[derive(Clone, Debug, Parser)]
#[command(
    name = "gm-node",
    version,
    about = "Who is in which group and who serves which keys, known on every node"
)]
struct Program {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

#[derive(Clone, Debug, Subcommand)]
enum Command {
    /// Run the daemon
    #[command(after_long_help = daemon::help())]
    Run(Box<daemon::Flags>),
    /// Say what `run` would do with the same flags, and where each value comes from
    #[command(after_long_help = daemon::help())]
    Check(Box<daemon::Flags>),
    /// Print a fresh key
    Keygen,
    /// Print what a data directory holds that no daemon uses
    Dump,
    /// Make a data directory of what `dump` printed
    Restore {
        /// The dump; `-` is standard input
        file: PathBuf,
    },
    /// Show daemons of this machine that form a group
    Demo(demo::Args),
    #[command(flatten)]
    Client(cli::ClientCommand),
}

fn main() -> ExitCode {
    file_size_limit::ignore_signal();
    let Program { global, command } = match Program::try_parse() {
        Ok(program) => program,
        Err(error) => return report_usage_error(&error),
    };
    // The daemon weighs the environment itself: it says where each value comes from.
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
            let why = "`demo` tells a story for people, and has no JSON: leave --json out".to_owned();
            daemon::report_errors(&[daemon::DaemonError::Usage(why)], true)
        }
        Command::Demo(args) => demo::run(args),
        Command::Client(ask) => cli::run(ask, &global),
    }
}

/// Help and the version are printed; whatever else the command line is not understood for is a
/// refusal.
fn report_usage_error(error: &clap::Error) -> ExitCode {
    // If it cannot be written, the exit code says it all the same.
    let _ = error.print();
    let json = std::env::args_os().take_while(|word| word != "--").any(|word| word == "--json");
    if json && error.use_stderr() {
        let text = error.to_string();
        // Below it stands how the command is used, for people.
        let why = text.split("\n\n").next().unwrap_or_default().trim();
        daemon::print_refusal(why.strip_prefix("error: ").unwrap_or(why), "usage");
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
