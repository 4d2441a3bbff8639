//! The demo: it starts several daemons as processes on this machine, forms a group, and shows a
//! crash, a handover and the loss of a member.
//!
//! `script.rs` is the sequence, `cluster.rs` and `daemon_process.rs` run the daemons,
//! `key_alphabet.rs` maps names to keys, `report.rs` prints the tables.

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

/// Arguments of the demo.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Args {
    /// Number of daemons
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(3..=16))]
    nodes: u8,
    /// Keep the daemons running until Ctrl-C, and print commands to try
    #[arg(long)]
    keep: bool,
    /// Do not use multicast, even if it works here
    #[arg(long)]
    no_multicast: bool,
}

/// Runs the demo.
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

/// Runs the script. Afterwards, on success, failure or a signal, the daemons are stopped and their
/// directory is removed.
async fn show(args: Args) -> Result<ExitCode, CommandError> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut cluster = Cluster::new()?;
    let ended = tokio::select! {
        played = script::play(&mut cluster, args) => played.map(|()| ExitCode::SUCCESS),
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
