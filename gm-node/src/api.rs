//! What a daemon says to whoever asks it, as JSON: one shape for each answer, the same for the
//! routes and for `--json` of every command. Knows nothing of sockets and of who asks.
//!
//! ```text
//! GET  /v1/status                        DaemonStatus
//! GET  /v1/groups                        [GroupInfo]
//! GET  /v1/groups/{g}                    GroupInfo
//! GET  /v1/groups/{g}/members            MemberList
//! GET  /v1/groups/{g}/topology?op=add    ItemList        op: add, get, or none for both
//! GET  /v1/groups/{g}/coverage           Coverage
//! GET  /v1/groups/{g}/locate?key=K       OwnerList       or ?bytes=TEXT
//! GET  /v1/groups/{g}/watch              one GroupChange a line, the first what is there already
//! GET  /v1/peers                         [PeerInfo]
//! POST /v1/groups/{g}/join               JoinRequest   -> [WriteResult]
//! POST /v1/groups/{g}/leave              LeaveRequest  -> [WriteResult]
//! POST /v1/groups/{g}/change             ChangeRequest -> [WriteResult]
//! POST /v1/groups/{g}/resume             LeaveRequest  -> [WriteResult]  ends the pause after an identity conflict
//! POST /v1/groups/{g}/purge              PurgeRequest  -> PurgeResult
//! POST /v1/forget                        ForgetRequest -> [WriteResult]
//! ```
//! `{g}` is the group's name, percent-encoded. `members`, `topology`, `coverage` and `locate` take
//! `fresh=MILLISECONDS`: the answer is given once the group was compared with another holder of it,
//! or that time is over; what it is worth stands in its `sync`. Whatever is refused is answered
//! with an [`ApiError`] and a status: 400 what cannot be understood, 404 a group that is not held,
//! 409 a write that is refused, 503 a storage that refuses or a daemon that ends, 507 a bound that
//! is reached: nothing was written. 500 with the kind `unknown`: it is not known whether the write
//! stands. A wait that ends short is 200: the write stands.
//!
//! `members`, `topology`, `coverage` and `locate` are sent as they are made, however long they are.
//! With `Accept: application/x-ndjson` the first line is the answer with an empty list, which is
//! its last field, and each further line one of that list. An answer that breaks off does not end
//! as HTTP says.
//!
//! A connection carries one request of HTTP/1.1 or 1.0, whose body, of 16 MiB at most, comes with
//! its `content-length` and not in chunks. The setting `api-timeout` says how long a client may
//! take to send it (else 408), and to take more of the answer; only a watch waits for ever.

mod read;
mod write;

use serde::{Deserialize, Serialize};

pub use read::*;
pub use write::*;

/// Why something was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiError {
    /// In words: what happened, to whom, and what mends it.
    pub error: String,
    /// For programs: `usage`, `unknown-group`, `refused`, `identity-conflict`, `storage`, `bound`;
    /// `unknown` if it is not known whether a write stands.
    pub kind: String,
}
