//! Table of the watchers, their positions, and the memory that they retain. Further changes cost
//! nothing for a watcher that was notified and has not read yet.

use std::collections::{BTreeMap, BTreeSet};

use gm_data::{GroupName, GroupState};

use super::cursor::{Cursor, Difference};

/// A subscriber to the changes of a group.
#[derive(Debug)]
struct Watcher {
    group: GroupName,
    /// Its position; `None` after a reset, because it retained too much memory.
    cursor: Option<Cursor>,
}

/// A group with watchers.
#[derive(Debug)]
struct WatchedGroup {
    /// Its state at the last update.
    latest: GroupState,
    /// Bytes of its states that were replaced since it has watchers.
    replaced_bytes: u64,
    /// Its watchers that were not notified since they last read.
    idle: BTreeSet<u64>,
    /// Watchers by what they retain: (mark, tag).
    marks: BTreeSet<(u64, u64)>,
    watchers: usize,
}

impl WatchedGroup {
    /// Bytes that are retained only for its watchers: at most what was replaced since the position
    /// of the last one.
    fn retained_bytes(&self) -> u64 {
        self.marks.first().map_or(0, |(mark, _)| self.replaced_bytes.saturating_sub(*mark))
    }
}

/// The watchers of a node.
#[derive(Debug, Default)]
pub(super) struct WatcherTable {
    watchers: BTreeMap<u64, Watcher>,
    groups: BTreeMap<GroupName, WatchedGroup>,
    /// Bytes that are retained only for watchers.
    retained_bytes: u64,
}

impl WatcherTable {
    pub(super) fn len(&self) -> usize {
        self.watchers.len()
    }

    pub(super) fn contains(&self, tag: u64) -> bool {
        self.watchers.contains_key(&tag)
    }

    /// The group of a watcher.
    pub(super) fn group(&self, tag: u64) -> Option<&GroupName> {
        self.watchers.get(&tag).map(|watcher| &watcher.group)
    }

    /// Approximate number of bytes that are retained only for watchers.
    pub(super) const fn retained_bytes(&self) -> u64 {
        self.retained_bytes
    }

    /// Adds a watcher, or replaces the one with the same tag.
    pub(super) fn insert(&mut self, tag: u64, group: &GroupName, state: GroupState) {
        self.remove(tag);
        let empty = GroupState::new(group.clone());
        let watched = self.groups.entry(group.clone()).or_insert_with(|| WatchedGroup {
            latest: state,
            replaced_bytes: 0,
            idle: BTreeSet::new(),
            marks: BTreeSet::new(),
            watchers: 0,
        });
        watched.watchers += 1;
        watched.idle.insert(tag);
        self.watchers.insert(tag, Watcher { group: group.clone(), cursor: Some(Cursor::new(empty)) });
    }

    pub(super) fn remove(&mut self, tag: u64) {
        let Some(Watcher { group, cursor }) = self.watchers.remove(&tag) else { return };
        self.with(&group, |watched| {
            watched.idle.remove(&tag);
            remove_mark(&mut watched.marks, cursor.as_ref(), tag);
            watched.watchers -= 1;
        });
        if self.groups.get(&group).is_some_and(|watched| watched.watchers == 0) {
            self.groups.remove(&group);
        }
    }

    /// Changes a watched group, and keeps the total of retained bytes.
    fn with(&mut self, group: &GroupName, change: impl FnOnce(&mut WatchedGroup)) {
        let Some(watched) = self.groups.get_mut(group) else { return };
        let before = watched.retained_bytes();
        change(watched);
        self.retained_bytes =
            self.retained_bytes.saturating_sub(before).saturating_add(watched.retained_bytes());
    }

    /// Sets the position of a watcher. A cursor of another group is ignored.
    pub(super) fn advance(&mut self, tag: u64, until: Option<Cursor>) {
        let Some(watcher) = self.watchers.get_mut(&tag) else { return };
        if until.as_ref().is_some_and(|until| until.group() != &watcher.group) {
            return;
        }
        let (group, former) = (watcher.group.clone(), watcher.cursor.take());
        let mark = until.as_ref().and_then(Cursor::mark);
        watcher.cursor = until;
        self.with(&group, |watched| {
            remove_mark(&mut watched.marks, former.as_ref(), tag);
            watched.marks.extend(mark.map(|mark| (mark, tag)));
            watched.idle.insert(tag);
        });
    }

    /// The difference that a watcher has not read yet.
    pub(super) fn difference(&self, tag: u64) -> Option<Difference> {
        let watcher = self.watchers.get(&tag)?;
        let watched = self.groups.get(&watcher.group)?;
        let WatchedGroup { latest, replaced_bytes, .. } = watched;
        Some(Difference {
            from: watcher.cursor.clone(),
            now: latest.clone(),
            replaced_bytes: *replaced_bytes,
        })
    }

    /// Whether a group has watchers.
    pub(super) fn is_watched(&self, group: &GroupName) -> bool {
        self.groups.contains_key(group)
    }

    /// Sets the current state of a group. Returns the watchers to notify, each once until it reads.
    pub(super) fn update(&mut self, group: &GroupName, state: GroupState) -> Vec<u64> {
        self.with(group, |watched| {
            let bytes = u64::try_from(watched.latest.unshared_bytes(&state)).unwrap_or(u64::MAX);
            // An addition replaces no bytes, but is a change.
            let news = u64::from(watched.latest.fingerprint() != state.fingerprint());
            watched.replaced_bytes = watched.replaced_bytes.saturating_add(bytes.max(news));
            watched.latest = state;
        });
        let Some(watched) = self.groups.get_mut(group) else { return Vec::new() };
        let (replaced_bytes, is_empty) = (watched.replaced_bytes, watched.latest.records().len() == 0);
        let is_behind = |tag: &u64| {
            let cursor = self.watchers.get(tag).and_then(|watcher| watcher.cursor.as_ref());
            // An empty group has no changes for a new watcher.
            cursor.is_none_or(|cursor| {
                cursor.is_behind(replaced_bytes) && (cursor.mark().is_some() || !is_empty)
            })
        };
        let notified: Vec<u64> = watched.idle.iter().filter(|tag| is_behind(tag)).copied().collect();
        for tag in &notified {
            watched.idle.remove(tag);
        }
        notified
    }

    /// Resets the watchers that are furthest behind, until at most `max` bytes are retained.
    /// Returns their number.
    pub(super) fn limit_retained(&mut self, max: u64) -> usize {
        let mut lost = 0;
        while self.retained_bytes > max {
            let furthest = self.groups.iter().max_by_key(|(_, watched)| watched.retained_bytes());
            let Some((group, Some((mark, tag)))) =
                furthest.map(|(group, watched)| (group.clone(), watched.marks.first().copied()))
            else {
                break;
            };
            self.with(&group, |watched| {
                watched.marks.remove(&(mark, tag));
            });
            if let Some(watcher) = self.watchers.get_mut(&tag) {
                watcher.cursor = None;
                lost += 1;
            }
        }
        lost
    }
}

/// Removes the mark of a watcher.
fn remove_mark(marks: &mut BTreeSet<(u64, u64)>, cursor: Option<&Cursor>, tag: u64) {
    if let Some(mark) = cursor.and_then(Cursor::mark) {
        marks.remove(&(mark, tag));
    }
}

#[cfg(test)]
mod tests {
    use gm_data::{Change, KeyRange, Replica, WriteContext};

    use super::*;

    /// A changing group, and its watchers.
    struct TestGroup {
        group: GroupName,
        replica: Replica,
        watchers: WatcherTable,
    }

    impl TestGroup {
        fn new(name: &str) -> TestGroup {
            let group: GroupName = name.parse().unwrap();
            let replica = Replica::new("10.0.0.1:1".parse().unwrap(), group.clone());
            TestGroup { group, replica, watchers: WatcherTable::default() }
        }

        /// Serves this number of ranges anew; returns the notified watchers.
        fn serve(&mut self, count: u32, priority: u16) -> Vec<u64> {
            let range = |at: u32| KeyRange::new(at * 10, at * 10 + 9).unwrap();
            let serve = |at| Change::Serve { range: range(at), port: Some(1), priority };
            let changes: Vec<_> = (0..count).map(serve).collect();
            self.replica.change(&changes, WriteContext { unix_seconds: 1, entropy: 1, millis: 0 }).unwrap();
            self.watchers.update(&self.group, self.replica.state().unindexed())
        }

        fn watch(&mut self, tag: u64) -> Vec<u64> {
            self.watchers.insert(tag, &self.group, self.replica.state().unindexed());
            self.watchers.update(&self.group, self.replica.state().unindexed())
        }

        /// Reads a difference, or a part. Returns the number of events, and the watchers notified
        /// of more.
        fn take(&mut self, tag: u64, max: usize) -> (Option<usize>, Vec<u64>) {
            let part = self.watchers.difference(tag).unwrap().part(max);
            self.watchers.advance(tag, Some(part.cursor));
            let notified = self.watchers.update(&self.group, self.replica.state().unindexed());
            (part.events.map(|events| events.len()), notified)
        }
    }

    #[test]
    fn a_watcher_is_notified_once_until_it_advances() {
        let mut fixture = TestGroup::new("g");
        assert!(fixture.watch(1).is_empty(), "the group is empty");
        assert_eq!(fixture.serve(3, 1), [1]);
        assert_eq!(fixture.watch(2), [2]);
        assert!(fixture.serve(3, 2).is_empty() && fixture.serve(5, 2).is_empty(), "both were notified");
        assert_eq!(fixture.take(1, 100), (Some(6), vec![]), "the join, and five ranges");
        assert_eq!(fixture.serve(5, 3), [1]);
        assert_eq!(fixture.take(1, 2), (Some(2), vec![1]), "the same difference continues");
        assert_eq!(fixture.take(1, 3), (Some(3), vec![]));
        fixture.watchers.remove(1);
        fixture.watchers.remove(2);
        assert_eq!(
            (fixture.watchers.len(), fixture.watchers.groups.len(), fixture.watchers.retained_bytes()),
            (0, 0, 0)
        );
    }

    #[test]
    fn only_the_slowest_watcher_has_to_start_over() {
        const MAX: u64 = 256 << 10;
        let mut fixture = TestGroup::new("g");
        fixture.serve(1_000, 1);
        for tag in 0..100 {
            fixture.watch(tag);
            assert_eq!(fixture.take(tag, usize::MAX), (Some(1_001), vec![]));
        }
        assert_eq!(fixture.watchers.retained_bytes(), 0, "an up-to-date watcher retains nothing");
        let mut lost = 0;
        // All but one watcher read nothing; each of them has seen another state.
        for round in 0..100_u64 {
            fixture.serve(1_000, u16::try_from(2 + round).unwrap());
            lost += fixture.watchers.limit_retained(MAX);
            assert!(
                fixture.watchers.retained_bytes() <= MAX,
                "{round}: {}",
                fixture.watchers.retained_bytes()
            );
            assert_eq!(fixture.take(99, usize::MAX).0, Some(1_000), "it reads everything");
            if round < 98 {
                fixture.take(round, usize::MAX);
            }
        }
        assert!(lost > 80 && lost < 200, "{lost}");
        assert_eq!(fixture.take(0, usize::MAX), (None, vec![]), "it is reset");
        fixture.serve(5, 1);
        assert_eq!(fixture.take(0, usize::MAX).0, Some(5), "and continues from there");
        (0..100).for_each(|tag| fixture.watchers.remove(tag));
        assert_eq!(fixture.watchers.retained_bytes(), 0);
    }

    #[test]
    fn an_idle_group_is_not_dropped_for_a_busy_one() {
        let mut idle = TestGroup::new("rests");
        idle.serve(100, 1);
        idle.watch(1);
        idle.take(1, usize::MAX);
        let mut busy = TestGroup { watchers: idle.watchers, ..TestGroup::new("moves") };
        busy.serve(100, 1);
        busy.watch(2);
        busy.take(2, usize::MAX);
        busy.serve(100, 2);
        assert!(busy.watchers.retained_bytes() > 2_000);
        assert_eq!(busy.watchers.limit_retained(1_000), 1);
        idle.watchers = busy.watchers;
        idle.serve(100, 2);
        assert_eq!(idle.take(1, usize::MAX).0, Some(100));
        // A cursor of another group is ignored.
        let stray = idle.watchers.difference(2).unwrap().skip().cursor;
        idle.watchers.advance(1, Some(stray));
        assert_eq!(idle.watchers.difference(1).unwrap().part(9).events, Some(vec![]));
    }
}
