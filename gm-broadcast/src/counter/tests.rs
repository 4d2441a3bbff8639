//! Names, help texts and reasons of counters.

use std::collections::BTreeSet;

use super::*;

#[test]
fn names_are_unique_and_in_snake_case() {
    let names: BTreeSet<&str> = Counter::ALL.iter().map(|counter| counter.name()).collect();
    assert_eq!(names.len(), Counter::ALL.len());
    for counter in Counter::ALL {
        assert_eq!(counter.name().replace('_', ""), format!("{counter:?}").to_lowercase());
        assert!(counter.help().ends_with('.') && !counter.help().starts_with(' '), "{counter:?}");
    }
}

#[test]
fn reasons_are_counted_apart_and_together() {
    let mut counters = Counters::default();
    counters.count_reason(Counter::FramesRejected, "NotAuthentic");
    counters.count_reason(Counter::FramesRejected, "TooLong");
    counters.count_reason(Counter::FramesRejected, "TooLong");
    counters.add(Counter::TcpBytesSent, 7);
    counters.add(Counter::TcpBytesReceived, 0);
    assert_eq!(counters.get(Counter::FramesRejected), 3);
    assert_eq!(counters.get_reason(Counter::FramesRejected, "TooLong"), 2);
    assert_eq!((counters.get(Counter::TcpBytesSent), counters.get(Counter::HandshakesEchoed)), (7, 0));
    let all: Vec<_> = counters.iter().collect();
    assert_eq!(
        all,
        [
            (Counter::FramesRejected, Some("NotAuthentic"), 1),
            (Counter::FramesRejected, Some("TooLong"), 2),
            (Counter::TcpBytesSent, None, 7),
        ]
    );
}
