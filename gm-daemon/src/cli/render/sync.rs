//! Result of the comparisons of a group with its other hosts, as text.

use std::time::Duration;

use gm_daemon::api::{SyncInfo, SyncState};

use crate::cli::args::format_duration;

/// Age in seconds from which a difference is reported. Younger ones occur with every write.
const STALE_AFTER: u64 = 5;

/// The line below an answer; empty if the answer is reliable.
pub(crate) fn note(sync: &SyncInfo) -> String {
    let ago = format_duration(Duration::from_secs(sync.seconds.unwrap_or(0)));
    let with = sync.with.as_deref().unwrap_or("a peer");
    match sync.state {
        SyncState::Unverified => {
            "NOT VERIFIED: the group was not compared with another member yet, so members may be missing here. --fresh waits for that.\n"
                .to_owned()
        }
        SyncState::Sole => format!("No other member is known here, nor to {with}, which was asked {ago} ago.\n"),
        SyncState::Differs if sync.seconds >= Some(STALE_AFTER) => {
            format!("For {ago} comparisons with other members have found a difference: this answer may be outdated.\n")
        }
        _ => String::new(),
    }
}

/// The result in a few words, for a table.
pub(crate) fn sync_text(sync: &SyncInfo) -> String {
    let ago = format_duration(Duration::from_secs(sync.seconds.unwrap_or(0)));
    let with = sync.with.as_deref().unwrap_or("a peer");
    match sync.state {
        SyncState::Equal => format!("in sync with {with} {ago} ago"),
        SyncState::Differs => format!("differs from another member since {ago}"),
        SyncState::Sole => "no other member is known".to_owned(),
        SyncState::Single => "single-node mode".to_owned(),
        SyncState::Unverified => "not compared with another member yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn an_answer_that_was_not_verified_says_so() {
        let sync = |state, seconds| SyncInfo { state, seconds: Some(seconds), ..samples::sync() };
        assert!(note(&sync(SyncState::Unverified, 0)).starts_with("NOT VERIFIED: "));
        assert!(note(&sync(SyncState::Sole, 2)).contains("10.0.0.2:29999, which was asked 2 s ago"));
        assert_eq!(
            (note(&sync(SyncState::Differs, 1)), note(&sync(SyncState::Equal, 9))),
            (String::new(), String::new())
        );
        assert!(note(&sync(SyncState::Differs, 9)).starts_with("For 9 s "));
        assert_eq!(sync_text(&sync(SyncState::Equal, 9)), "in sync with 10.0.0.2:29999 9 s ago");
    }
}
