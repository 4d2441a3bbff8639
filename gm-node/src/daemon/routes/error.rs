//! Why something is refused, as a status and a shape. Knows nothing of routes.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use gm_clock::NetId;
use gm_data::{ChangeError, ForgetError, GroupName};
use gm_node::handle::NodeError;
use gm_node::{WriteError, api};

use crate::daemon::config::setting_for;

/// A refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RouteError {
    status: StatusCode,
    kind: &'static str,
    error: String,
}

impl RouteError {
    fn new(status: StatusCode, kind: &'static str, error: impl Into<String>) -> RouteError {
        RouteError { status, kind, error: error.into() }
    }

    pub(super) fn usage(error: impl Into<String>) -> RouteError {
        RouteError::new(StatusCode::BAD_REQUEST, "usage", error)
    }

    /// A request that is not well-formed, or did not come in time.
    pub(super) fn from_request(status: StatusCode, error: String) -> RouteError {
        RouteError::new(status, "usage", error)
    }

    /// More answers are read at the same time than may be.
    pub(super) fn busy() -> RouteError {
        RouteError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "bound",
            "too many long answers are being read, and none of them ended in time: try again",
        )
    }

    pub(super) fn no_such_route() -> RouteError {
        RouteError::new(
            StatusCode::NOT_FOUND,
            "usage",
            "there is no such route, or not by this method: is the program that asks of another version?",
        )
    }

    /// The daemon ends, and the request never reached the node.
    pub(super) fn shutting_down() -> RouteError {
        RouteError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "refused",
            "the daemon is shutting down, and nothing was written. Try again when it runs again",
        )
    }

    /// The same failure, with the groups in which the change is done.
    pub(super) fn with_partial_success(self, others: &str) -> RouteError {
        RouteError { error: format!("{}. It is done in {others}", self.error), ..self }
    }

    /// Why a member is not forgotten, in a group or in all that are held.
    pub(super) fn from_forget(error: &WriteError, group: Option<&GroupName>) -> RouteError {
        let failure = RouteError::from(error.clone());
        let error = match (error, group) {
            (WriteError::Forget(ForgetError::Unknown { member }), None) => {
                format!(
                    "nothing is known of {member} in any group that is held here: see `groups` and `members`"
                )
            }
            (WriteError::Forget(ForgetError::Unknown { member }), Some(group)) => {
                format!("nothing is known of {member} in {group}: see `members {group}`")
            }
            (WriteError::Forget(ForgetError::Already { member }), Some(group)) => {
                format!("{member} is forgotten already in {group}")
            }
            (_, Some(group)) => format!("{group}: {}", failure.error),
            (_, None) => return failure,
        };
        RouteError { error, ..failure }
    }

    /// A group that is not held; a member of it, if one is known.
    pub(super) fn unknown_group(group: &GroupName, contact: Option<NetId>) -> RouteError {
        let error = match contact {
            Some(contact) => format!(
                "nothing is held of the group {group:?}: this node is not a member of it. Join it, or ask {contact}, which is one"
            ),
            None => {
                format!("nothing is held of the group {group:?}, and no node is known that is in it: join it")
            }
        };
        RouteError::new(StatusCode::NOT_FOUND, "unknown-group", error)
    }
}

impl From<WriteError> for RouteError {
    fn from(error: WriteError) -> RouteError {
        let (status, kind) = match &error {
            WriteError::Change(ChangeError::IdentityConflict { .. }) => {
                (StatusCode::CONFLICT, "identity-conflict")
            }
            WriteError::Change(_) | WriteError::Forget(_) => (StatusCode::CONFLICT, "refused"),
            WriteError::ReservedName { .. } => (StatusCode::BAD_REQUEST, "usage"),
            WriteError::Store(_) => (StatusCode::SERVICE_UNAVAILABLE, "storage"),
            WriteError::UnknownGroup { .. } => (StatusCode::NOT_FOUND, "unknown-group"),
            WriteError::LimitReached { .. } => (StatusCode::INSUFFICIENT_STORAGE, "bound"),
        };
        let error = match &error {
            // Only `priority +N` of a range that is not served lacks a port.
            WriteError::Change(ChangeError::NoPort { range }) => format!(
                "the range {range} is not served here, so it has no priority. Serve it with `serve` and a port, or name a range exactly as it is served"
            ),
            // Here the bounds have other names, or none.
            WriteError::LimitReached { what, max: most, limit: bound, remedy: else_way } => {
                match setting_for(bound) {
                    Some(setting) => format!("{what}: at most {most}; raise `{setting}`, or {else_way}"),
                    None => format!("{what}: at most {most}; {else_way}"),
                }
            }
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
                "unknown",
                "the daemon ended before its storage confirmed the write: it is not known whether the write stands. Look with `topology` when it runs again",
            ),
        }
    }
}

impl IntoResponse for RouteError {
    fn into_response(self) -> Response {
        let RouteError { status, kind, error } = self;
        (status, Json(api::ApiError { error, kind: kind.to_owned() })).into_response()
    }
}
