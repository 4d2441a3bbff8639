//! Refusals of the routes: an HTTP status and an [`ApiError`].

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gm_clock::NetId;
use gm_daemon::api::{ApiError, ErrorKind};
use gm_data::{ChangeError, ForgetError, GroupName};
use gm_node::{NodeError, WriteError};

use crate::daemon::config::setting_for;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RouteError {
    status: StatusCode,
    kind: ErrorKind,
    error: String,
}

impl RouteError {
    fn new(status: StatusCode, kind: ErrorKind, error: impl Into<String>) -> RouteError {
        RouteError { status, kind, error: error.into() }
    }

    pub(super) fn usage(error: impl Into<String>) -> RouteError {
        RouteError::new(StatusCode::BAD_REQUEST, ErrorKind::Usage, error)
    }

    /// Refuses a request that is malformed or incomplete.
    pub(super) fn from_request(status: StatusCode, error: String) -> RouteError {
        RouteError::new(status, ErrorKind::Usage, error)
    }

    /// Refuses a request because too many long answers are in progress.
    pub(super) fn busy() -> RouteError {
        RouteError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Limit,
            "too many long answers are in progress, and none of them ended in time: try again",
        )
    }

    pub(super) fn no_such_route() -> RouteError {
        RouteError::new(
            StatusCode::NOT_FOUND,
            ErrorKind::Usage,
            "no such route or method: does the client have another version than the daemon?",
        )
    }

    /// Refuses a write because the daemon is shutting down; the node has not seen it.
    pub(super) fn shutting_down() -> RouteError {
        RouteError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Refused,
            "the daemon is shutting down; nothing was written. Try again when it is running",
        )
    }

    /// The same refusal, with the groups in which the change was made.
    pub(super) fn with_partial_success(self, others: &str) -> RouteError {
        RouteError { error: format!("{}. The change was made in {others}", self.error), ..self }
    }

    /// Refuses to forget a member, in one group or in all hosted groups.
    pub(super) fn from_forget(error: &WriteError, group: Option<&GroupName>) -> RouteError {
        let failure = RouteError::from(error.clone());
        let error = match (error, group) {
            (WriteError::Forget(ForgetError::Unknown { member }), None) => {
                format!("{member} is unknown in all groups that this node hosts: see `groups` and `members`")
            }
            (WriteError::Forget(ForgetError::Unknown { member }), Some(group)) => {
                format!("{member} is unknown in {group}: see `members {group}`")
            }
            (WriteError::Forget(ForgetError::Already { member }), Some(group)) => {
                format!("{member} was forgotten in {group} before")
            }
            (_, Some(group)) => format!("{group}: {}", failure.error),
            (_, None) => return failure,
        };
        RouteError { error, ..failure }
    }

    /// Refuses to read a group that is not hosted, and names a member of it if one is known.
    pub(super) fn unknown_group(group: &GroupName, contact: Option<NetId>) -> RouteError {
        let error = match contact {
            Some(contact) => format!(
                "this node does not host the group {group:?}: join it, or ask {contact}, which is a member"
            ),
            None => {
                format!("this node does not host the group {group:?}, and no member of it is known: join it")
            }
        };
        RouteError::new(StatusCode::NOT_FOUND, ErrorKind::UnknownGroup, error)
    }
}

impl From<WriteError> for RouteError {
    fn from(error: WriteError) -> RouteError {
        let (status, kind) = match &error {
            WriteError::Change(ChangeError::IdentityConflict { .. }) => {
                (StatusCode::CONFLICT, ErrorKind::IdentityConflict)
            }
            WriteError::Change(_) | WriteError::Forget(_) => (StatusCode::CONFLICT, ErrorKind::Refused),
            WriteError::Range(_) | WriteError::ReservedName { .. } => {
                (StatusCode::BAD_REQUEST, ErrorKind::Usage)
            }
            WriteError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, ErrorKind::Storage),
            WriteError::UnknownGroup { .. } => (StatusCode::NOT_FOUND, ErrorKind::UnknownGroup),
            WriteError::LimitReached { .. } => (StatusCode::INSUFFICIENT_STORAGE, ErrorKind::Limit),
        };
        let error = match &error {
            // The only change without a port is `priority +N` of a range that is not served.
            WriteError::Change(ChangeError::NoPort { range }) => format!(
                "the range {range} is not served here, so it has no priority. Serve it with `serve` and a port, or give a range exactly as it is served"
            ),
            // The settings of the daemon have other names than the fields of `NodeLimits`.
            WriteError::LimitReached { what, max, limit, remedy } => match setting_for(limit) {
                Some(setting) => format!("{what}: at most {max}; raise `{setting}`, or {remedy}"),
                None => format!("{what}: at most {max}; {remedy}"),
            },
            error => error.to_string(),
        };
        RouteError::new(status, kind, error)
    }
}

impl From<NodeError> for RouteError {
    fn from(error: NodeError) -> RouteError {
        match error {
            NodeError::Refused(error) => error.into(),
            NodeError::Stopped => RouteError::shutting_down(),
            NodeError::Unknown => RouteError::new(
                StatusCode::INTERNAL_SERVER_ERROR,
                ErrorKind::Unknown,
                "the daemon ended before its storage confirmed the write: the write may or may not stand. Check with `topology` when the daemon runs again",
            ),
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let RouteError { status, kind, error } = self;
        (status, Json(ApiError { error, kind })).into_response()
    }
}
