//! Real daemons on this machine that form a group, and what happens to it. Knows the daemons as
//! programs only: it starts them, asks them over their sockets, and kills them.
//!
//! `story.rs` is what is shown, `cluster.rs` and `machine.rs` the daemons, `letters.rs` the keys,
//! `picture.rs` the tables.

mod cluster;
mod daemon_process;
mod key_alphabet;
mod report;
mod script;

use std::io::Write;
use std::process::ExitCode;

use tokio::signal::unix::{SignalKind, signal};

use self::cluster::Cluster;
use crate::cli::error::CommandError;

/// How it is shown.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Args {
    /// How many daemons
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(3..=16))]
    nodes: u8,
    /// Leave them running until Ctrl-C, and print commands to play with
    #[arg(long)]
    keep: bool,
    /// Without multicast, even if it works here
    #[arg(long)]
    no_multicast: bool,
}

/// Shows it.
pub(crate) fn run(args: Args) -> ExitCode {
    let shown = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(CommandError::from)
        .and_then(|runtime| runtime.block_on(show(args)));
    match shown {
        Ok(code) => code,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            let _ = writeln!(std::io::stderr(), "gm-node demo: {failure}");
            ExitCode::from(failure.exit_code())
        }
    }
}

/// However it ends, the daemons end with it, and their directory is removed.
async fn show(args: Args) -> Result<ExitCode, CommandError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut cluster = Cluster::new()?;
    let ended = tokio::select! {
        told = script::play(&mut cluster, args) => told.map(|()| ExitCode::SUCCESS),
        _ = interrupt.recv() => Ok(ExitCode::from(130)),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
        _ = hangup.recv() => Ok(ExitCode::from(129)),
    };
    if ended.as_ref().is_err_and(|failure| !failure.is_broken_pipe()) {
        let _ = writeln!(std::io::stderr(), "{}", cluster.logs());
    }
    cluster.stop();
    ended
}
