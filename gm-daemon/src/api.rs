//! The JSON shapes of the daemon's HTTP API over its Unix socket. Each route has one shape of
//! answer, and `--json` of every command prints the same shape.
//!
//! ```text
//! GET  /v1/status                        DaemonStatus
//! GET  /v1/groups                        [GroupInfo]
//! GET  /v1/groups/{g}                    GroupInfo
//! GET  /v1/groups/{g}/members            MemberList
//! GET  /v1/groups/{g}/topology?op=add    ItemList        op: add, get, or both if it is left out
//! GET  /v1/groups/{g}/coverage           Coverage
//! GET  /v1/groups/{g}/locate?key=K       OwnerList       or ?bytes=TEXT
//! GET  /v1/groups/{g}/watch              one GroupChange per line; the present state comes first
//! GET  /v1/peers                         [PeerInfo]
//! POST /v1/groups/{g}/join               JoinRequest   -> [WriteResult]
//! POST /v1/groups/{g}/leave              LeaveRequest  -> [WriteResult]
//! POST /v1/groups/{g}/change             ChangeRequest -> [WriteResult]
//! POST /v1/groups/{g}/resume             LeaveRequest  -> [WriteResult]
//! POST /v1/groups/{g}/purge              PurgeRequest  -> PurgeResult
//! POST /v1/forget                        ForgetRequest -> [WriteResult]
//! ```
//! `resume` ends the pause after an identity conflict.
//! `{g}` is the group's name, percent-encoded. `members`, `topology`, `coverage` and `locate` take
//! `fresh=MILLISECONDS`: the daemon answers once the group was compared with another host, or when
//! that time is over; the `sync` of the answer shows which.
//!
//! A refused request is answered with an [`ApiError`] and one of these statuses: 400 for a request
//! that cannot be parsed, 404 for a group that is not hosted, 409 for a write that is refused, 503
//! for a failing storage or a daemon that is shutting down, 507 for a limit that is reached. In all
//! of these cases nothing was written. Status 500 with the kind `unknown` means that the write may
//! or may not stand. A wait that ends short is a 200: the write stands.
//!
//! Answers of `members`, `topology`, `coverage` and `locate` are streamed, whatever their length.
//! With `Accept: application/x-ndjson` the first line is the answer with an empty list, which is
//! its last field, and each further line is one entry of that list. An answer that breaks off lacks
//! the final chunk that HTTP requires.
//!
//! A connection carries one request of HTTP/1.1 or 1.0. Its body, at most 16 MiB, needs a
//! `content-length`; chunked bodies are refused. The setting `api-timeout` limits the time that a
//! client may take to send the request (else 408), and to read more of the answer; only a watch
//! waits for its reader without limit.

mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use read::*;
pub use write::*;

/// A refusal or failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// Text for people: the cause, the nodes or groups affected, and the remedy.
    pub error: String,
    /// Class of the failure, for programs.
    pub kind: ErrorKind,
}

/// Class of a failure. The daemon returns the kinds up to `Unknown`; the command line adds the
/// others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The request or the command line is not understood.
    Usage,
    /// This node does not host the group.
    UnknownGroup,
    /// The write is invalid in the present state, or the daemon is shutting down.
    Refused,
    /// Another node writes under this node's identity, so this node has paused its own writes.
    IdentityConflict,
    /// The storage failed.
    Storage,
    /// A configured limit is reached.
    Limit,
    /// The write may or may not stand.
    Unknown,
    /// No daemon answers.
    Unreachable,
    /// A wait of the command line reached its deadline.
    TimedOut,
    /// The answer cannot be printed.
    Output,
    /// The operating system refused a call that the command needs.
    System,
}
