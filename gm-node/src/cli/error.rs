//! Why a command did not do what it was asked, what it says of it, and with which exit code. Knows
//! no command.

use std::io;
use std::process::ExitCode;

use gm_node::api;
use thiserror::Error;

/// The exit code of a read whose group is not held here, or was not compared with another holder
/// yet.
const EXIT_UNVERIFIED: u8 = 7;

/// Why a command came to nothing.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// It was asked for what cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// The group that is to be read is not held here.
    #[error("{}", .0.error)]
    NotHosted(api::ApiError),
    /// The daemon refused.
    #[error("{}", .0.error)]
    Refused(api::ApiError),
    /// What came, or would be sent, is more than is taken.
    #[error("{0}")]
    TooLarge(String),
    /// No daemon answers.
    #[error("{0}")]
    Unreachable(String),
    /// A write was sent, and no valid answer came.
    #[error("{0}. It is not known whether the write stands: look with `topology`")]
    Unknown(String),
    /// What was waited for did not come.
    #[error("{0}")]
    TimedOut(String),
    /// The command succeeded, but its answer cannot be printed.
    #[error("the answer cannot be printed on standard output: {0}")]
    Output(io::Error),
    /// The same for a write.
    #[error("the write stands, and its answer cannot be printed on standard output: {0}")]
    WriteOutput(io::Error),
    /// The system refuses something that the command needs.
    #[error("the system: {0}")]
    System(#[from] io::Error),
}

impl CommandError {
    /// The exit code, the same for all commands.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CommandError::Usage(_) => 2,
            CommandError::Refused(error) if error.kind == "usage" => 2,
            CommandError::Refused(error) if error.kind == "unknown" => 5,
            CommandError::Refused(_) | CommandError::TooLarge(_) | CommandError::System(_) => 1,
            CommandError::Unreachable(_) => 3,
            CommandError::NotHosted(_) => EXIT_UNVERIFIED,
            CommandError::TimedOut(_) => 4,
            CommandError::Unknown(_) => 5,
            CommandError::Output(_) | CommandError::WriteOutput(_) => 6,
        }
    }

    /// The same failure, after a write was acknowledged.
    pub(crate) fn after_acknowledged_write(self) -> CommandError {
        match self {
            CommandError::Output(error) => CommandError::WriteOutput(error),
            other => other,
        }
    }

    /// The same failure, after a write was sent: no valid answer came, so the write may stand.
    pub(crate) fn after_sent_write(self) -> CommandError {
        match self {
            CommandError::Unreachable(why) | CommandError::TooLarge(why) => CommandError::Unknown(why),
            other => other,
        }
    }

    /// Whether whoever read our output stopped reading, which is their right.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, CommandError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The same for programs.
    pub(crate) fn as_json(&self) -> api::ApiError {
        let kind = match self {
            CommandError::Usage(_) => "usage",
            CommandError::Refused(error) | CommandError::NotHosted(error) => return error.clone(),
            CommandError::TooLarge(_) => "bound",
            CommandError::Unreachable(_) => "unreachable",
            CommandError::Unknown(_) => "unknown",
            CommandError::TimedOut(_) => "timed-out",
            CommandError::Output(_) | CommandError::WriteOutput(_) => "output",
            CommandError::System(_) => "system",
        };
        api::ApiError { error: self.to_string(), kind: kind.to_owned() }
    }
}

/// How a command ended that said all it had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Done.
    Done,
    /// What was required is not so.
    RequirementUnmet,
    /// Not as many have it as were asked for.
    WaitUnmet,
    /// The group was not compared with another holder yet: what is missing in the answer may be
    /// there.
    Unverified,
}

impl From<Outcome> for ExitCode {
    fn from(ended: Outcome) -> ExitCode {
        ExitCode::from(match ended {
            Outcome::Done => 0,
            Outcome::RequirementUnmet => 1,
            Outcome::WaitUnmet => 4,
            Outcome::Unverified => EXIT_UNVERIFIED,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_the_code_that_is_promised() {
        let refused = |kind: &str| {
            CommandError::Refused(api::ApiError { error: "no".into(), kind: kind.into() }).exit_code()
        };
        assert_eq!((refused("usage"), refused("unknown")), (2, 5));
        for kind in ["unknown-group", "refused", "identity-conflict", "storage", "bound"] {
            assert_eq!(refused(kind), 1, "{kind}");
        }
        assert_eq!(CommandError::Usage(String::new()).exit_code(), 2);
        assert_eq!(CommandError::TooLarge(String::new()).exit_code(), 1);
        assert_eq!(CommandError::Unreachable(String::new()).exit_code(), 3);
        assert_eq!(CommandError::TimedOut(String::new()).exit_code(), 4);
        assert_eq!(CommandError::Unknown(String::new()).exit_code(), 5);
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(CommandError::Output(full()).exit_code(), 6);
        assert!(
            CommandError::Output(full()).after_acknowledged_write().to_string().contains("the write stands")
        );
        assert_eq!(CommandError::from(full()).exit_code(), 1);
    }
}
