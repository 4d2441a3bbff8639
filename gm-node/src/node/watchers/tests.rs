//! Watchers: limits, and one notification for each change.

use super::*;
use crate::node::test_context::{context, context_with, group};

#[test]
fn a_watcher_is_notified_once_until_it_reads() {
    let (mut watchers, mut cx) = (Watchers::default(), context());
    watchers.add(&mut cx, 1, group());
    cx.host_with(&[2]);
    watchers.notify(&mut cx);
    assert_eq!(cx.take_events(), [NodeEvent::Changed { tag: 1, group: group() }]);
    cx.host_with(&[3]);
    watchers.notify(&mut cx);
    assert_eq!(cx.take_events(), [], "it has not read");
    let read = watchers.difference(1).unwrap().part(usize::MAX).cursor;
    watchers.advance(&mut cx, 1, read);
    watchers.notify(&mut cx);
    assert_eq!(cx.take_events(), [], "it has read both changes");
}

#[test]
fn watchers_beyond_the_limit_are_refused() {
    let mut cx = context_with(|config| config.limits.watchers = 1);
    let mut watchers = Watchers::default();
    watchers.add(&mut cx, 1, group());
    watchers.add(&mut cx, 2, group());
    assert_eq!(cx.take_events(), [NodeEvent::WatchRefused { tag: 2, group: group(), max: 1 }]);
    watchers.remove(1);
    watchers.add(&mut cx, 2, group());
    assert_eq!((watchers.len(), cx.take_events()), (1, vec![]));
}
