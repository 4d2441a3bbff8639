//! Why a command did not do what it was asked, what it says of it, and with which exit code. Knows no command.

use std::io;
use std::process::ExitCode;

use gm_node::api;
use thiserror::Error;

/// The exit code of a read whose group is not held here, or was not compared with another holder yet.
const UNVERIFIED: u8 = 7;

/// Why a command came to nothing.
#[derive(Debug, Error)]
pub(crate) enum Failure {
    /// It was asked for what cannot be understood.
    #[error("{0}")]
    Usage(String),
    /// The group that is to be read is not held here.
    #[error("{}", .0.error)]
    NotHeld(api::Error),
    /// The daemon refused.
    #[error("{}", .0.error)]
    Refused(api::Error),
    /// What came, or would be sent, is more than is taken.
    #[error("{0}")]
    TooMuch(String),
    /// No daemon answers.
    #[error("{0}")]
    Unreachable(String),
    /// A write was sent, and no valid answer came.
    #[error("{0}. It is not known whether the write stands: look with `topology`")]
    Unknown(String),
    /// What was waited for did not come.
    #[error("{0}")]
    Late(String),
    /// The command succeeded, but its answer cannot be printed.
    #[error("the answer cannot be printed on standard output: {0}")]
    Output(io::Error),
    /// The same for a write.
    #[error("the write stands, and its answer cannot be printed on standard output: {0}")]
    Written(io::Error),
    /// The system refuses something that the command needs.
    #[error("the system: {0}")]
    System(#[from] io::Error),
}

impl Failure {
    /// The exit code, the same for all commands.
    pub(crate) fn code(&self) -> u8 {
        match self {
            Failure::Usage(_) => 2,
            Failure::Refused(error) if error.kind == "usage" => 2,
            Failure::Refused(error) if error.kind == "unknown" => 5,
            Failure::Refused(_) | Failure::TooMuch(_) | Failure::System(_) => 1,
            Failure::Unreachable(_) => 3,
            Failure::NotHeld(_) => UNVERIFIED,
            Failure::Late(_) => 4,
            Failure::Unknown(_) => 5,
            Failure::Output(_) | Failure::Written(_) => 6,
        }
    }

    /// The same failure, after a write was acknowledged.
    pub(crate) fn of_what_stands(self) -> Failure {
        match self {
            Failure::Output(error) => Failure::Written(error),
            other => other,
        }
    }

    /// The same failure, after a write was sent: no valid answer came, so the write may stand.
    pub(crate) fn of_a_write(self) -> Failure {
        match self {
            Failure::Unreachable(why) | Failure::TooMuch(why) => Failure::Unknown(why),
            other => other,
        }
    }

    /// Whether whoever read our output stopped reading, which is their right.
    pub(crate) fn is_broken_pipe(&self) -> bool {
        matches!(self, Failure::Output(error) if error.kind() == io::ErrorKind::BrokenPipe)
    }

    /// The same for programs.
    pub(crate) fn as_json(&self) -> api::Error {
        let kind = match self {
            Failure::Usage(_) => "usage",
            Failure::Refused(error) | Failure::NotHeld(error) => return error.clone(),
            Failure::TooMuch(_) => "bound",
            Failure::Unreachable(_) => "unreachable",
            Failure::Unknown(_) => "unknown",
            Failure::Late(_) => "timed-out",
            Failure::Output(_) | Failure::Written(_) => "output",
            Failure::System(_) => "system",
        };
        api::Error { error: self.to_string(), kind: kind.to_owned() }
    }
}

/// How a command ended that said all it had to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// Done.
    Done,
    /// What was required is not so.
    Gap,
    /// Not as many have it as were asked for.
    Short,
    /// The group was not compared with another holder yet: what is missing in the answer may be there.
    Unverified,
}

impl From<Ended> for ExitCode {
    fn from(ended: Ended) -> ExitCode {
        ExitCode::from(match ended {
            Ended::Done => 0,
            Ended::Gap => 1,
            Ended::Short => 4,
            Ended::Unverified => UNVERIFIED,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failure_has_the_code_that_is_promised() {
        let refused =
            |kind: &str| Failure::Refused(api::Error { error: "no".into(), kind: kind.into() }).code();
        assert_eq!((refused("usage"), refused("unknown")), (2, 5));
        for kind in ["unknown-group", "refused", "identity-conflict", "storage", "bound"] {
            assert_eq!(refused(kind), 1, "{kind}");
        }
        assert_eq!(Failure::Usage(String::new()).code(), 2);
        assert_eq!(Failure::TooMuch(String::new()).code(), 1);
        assert_eq!(Failure::Unreachable(String::new()).code(), 3);
        assert_eq!(Failure::Late(String::new()).code(), 4);
        assert_eq!(Failure::Unknown(String::new()).code(), 5);
        let full = || io::Error::from(io::ErrorKind::StorageFull);
        assert_eq!(Failure::Output(full()).code(), 6);
        assert!(Failure::Output(full()).of_what_stands().to_string().contains("the write stands"));
        assert_eq!(Failure::from(full()).code(), 1);
    }
}
