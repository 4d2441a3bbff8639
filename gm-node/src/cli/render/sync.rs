//! What an answer about a group is worth, for people.

use std::time::Duration;

use gm_node::api::SyncInfo;

use crate::cli::args::format_duration;

/// A difference that is as old is worth a line; younger ones come with every write.
const STALE_AFTER: u64 = 5;

/// The line below an answer; nothing where there is nothing to know.
pub(crate) fn note(sync: &SyncInfo) -> String {
    let ago = format_duration(Duration::from_secs(sync.seconds.unwrap_or(0)));
    let with = sync.with.as_deref().unwrap_or("a peer");
    match sync.state.as_str() {
        "unverified" => {
            "NOT VERIFIED: the group was not compared with another member yet, so others may be missing here. --fresh waits until it was.\n"
                .to_owned()
        }
        "sole" => format!("No other member is known, here or to {with}, which was asked {ago} ago.\n"),
        "differs" if sync.seconds >= Some(STALE_AFTER) => {
            format!("For {ago} comparisons with other members have found a difference: this may be old.\n")
        }
        _ => String::new(),
    }
}

/// The same in a few words, for a table.
pub(crate) fn sync_text(sync: &SyncInfo) -> String {
    let ago = format_duration(Duration::from_secs(sync.seconds.unwrap_or(0)));
    let with = sync.with.as_deref().unwrap_or("a peer");
    match sync.state.as_str() {
        "equal" => format!("in sync with {with} {ago} ago"),
        "differs" => format!("differs from another member for {ago}"),
        "sole" => "no other member is known".to_owned(),
        "single" => "alone by configuration".to_owned(),
        _ => "not compared with another member yet".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn an_answer_that_was_not_verified_says_so() {
        let sync = |state: &str, seconds| SyncInfo {
            state: state.into(),
            seconds: Some(seconds),
            ..samples::sync()
        };
        assert!(note(&sync("unverified", 0)).starts_with("NOT VERIFIED: "));
        assert!(note(&sync("sole", 2)).contains("10.0.0.2:29999, which was asked 2 s ago"));
        assert_eq!((note(&sync("differs", 1)), note(&sync("equal", 9))), (String::new(), String::new()));
        assert!(note(&sync("differs", 9)).starts_with("For 9 s "));
        assert_eq!(sync_text(&sync("equal", 9)), "in sync with 10.0.0.2:29999 9 s ago");
    }
}
