//! Failures of commands, their messages and exit codes.

use std::io;
use std::process::ExitCode;

use gm_daemon::api::{self, ErrorKind};
use thiserror::Error;

/// Exit code of a read whose group is not hosted here, or was not compared with another host yet.
const EXIT_UNVERIFIED: u8 = 7;

/// Failure of a command.
#[derive(Debug, Error)]
pub(crate) enum CommandError {
    /// An argument is invalid.
    #[error("{0}")]
    Usage(String),
    /// The group to read is not hosted here.
    #[error("{}", .0.error)]
    NotHosted(api::ApiError),
    /// The daemon refused the request.
    #[error("{}", .0.error)]
    Refused(api::ApiError),
    /// A request or an answer is larger than its limit.
    #[error("{0}")]
    TooLarge(String),
    /// No daemon answers.
    #[error("{0}")]
    Unreachable(String),
    /// A write was sent, and no valid answer was received.
    #[error("{0}. The write may or may not stand: check with `topology`")]
    Unknown(String),
    /// A wait reached its deadline.
    #[error("{0}")]
    TimedOut(String),
    /// The command succeeded, but its answer cannot be printed.
    #[error("the answer cannot be printed on standard output: {0}")]
    Output(io::Error),
    /// A write succeeded, but its answer cannot be printed.
    #[error("the write stands, and its answer cannot be printed on standard output: {0}")]
    WriteOutput(io::Error),
    /// The operating system refused a call.
    #[error("the operating system refused: {0}")]
    System(#[from] io::Error),
}

impl CommandError {
    /// Exit code, the same for all commands.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            CommandError::Usage(_) => 2,
            CommandError::Refused(error) if error.kind == ErrorKind::Usage => 2,
            CommandError::Refused(error) if error.kind == ErrorKind::Unknown => 5,
            CommandError::Refused(_) | CommandError::TooLarge(_) | CommandError::System(_) => 1,
            CommandError::Unreachable(_) => 3,
            CommandError::NotHosted(_) => EXIT_UNVERIFIED,
            CommandError::TimedOut(_) => 4,
            CommandError::Unknown(_) => 5,
            CommandError::Output(_) | CommandError::WriteOutput(_) => 6,
        }
    }

    /// The same failure, after the daemon confirmed a write.
    pub(crate) fn after_acknowledged_write(self) -> CommandError {
        match self {
            CommandError::Output(error) => CommandError::WriteOutput(error),
            other => other,
        }
    }

    /// The same failure, after a write was sent without a valid answer: the write may stand.
    pub(crate) fn after_sent_write(self) -> CommandError {
        match self {
            CommandError::Unreachable(why) | CommandError::TooLarge(why) => CommandError::Unknown(why),
            other => other,
        }
    }

    /// Whether the reader of standard output closed it, which is not an error.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, CommandError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The failure in the form of the API.
    pub(crate) fn as_json(&self) -> api::ApiError {
        let kind = match self {
            CommandError::Usage(_) => ErrorKind::Usage,
            CommandError::Refused(error) | CommandError::NotHosted(error) => return error.clone(),
            CommandError::TooLarge(_) => ErrorKind::Limit,
            CommandError::Unreachable(_) => ErrorKind::Unreachable,
            CommandError::Unknown(_) => ErrorKind::Unknown,
            CommandError::TimedOut(_) => ErrorKind::TimedOut,
            CommandError::Output(_) | CommandError::WriteOutput(_) => ErrorKind::Output,
            CommandError::System(_) => ErrorKind::System,
        };
        api::ApiError { error: self.to_string(), kind }
    }
}

/// Outcome of a command that printed its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Success.
    Done,
    /// A requirement, such as `--require`, is not met.
    RequirementUnmet,
    /// Fewer members acknowledged than requested.
    WaitUnmet,
    /// The group was not compared with another host yet: the answer may lack members.
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
    fn failures_have_the_documented_exit_codes() {
        let refused = |kind| CommandError::Refused(api::ApiError { error: "no".into(), kind }).exit_code();
        assert_eq!((refused(ErrorKind::Usage), refused(ErrorKind::Unknown)), (2, 5));
        for kind in [
            ErrorKind::UnknownGroup,
            ErrorKind::Refused,
            ErrorKind::IdentityConflict,
            ErrorKind::Storage,
            ErrorKind::Limit,
        ] {
            assert_eq!(refused(kind), 1, "{kind:?}");
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
