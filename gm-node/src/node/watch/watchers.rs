//! Who watches what, how far each was told, and what that keeps in memory. A change costs nothing
//! for a watcher that was told of one and has not taken it. Knows nothing of storage and network.

use std::collections::{BTreeMap, BTreeSet};

use gm_data::{GroupName, GroupState};

use super::cursor::{Cursor, Difference};

/// Somebody who wants to know what changes.
#[derive(Debug)]
struct Watcher {
    group: GroupName,
    /// How far it was told; nothing if that was given up, as it kept too much.
    cursor: Option<Cursor>,
}

/// A group that is watched.
#[derive(Debug)]
struct WatchedGroup {
    /// Its state when it was looked at last.
    latest: GroupState,
    /// Bytes of its states that were replaced by later ones, since it is watched.
    replaced_bytes: u64,
    /// Its watchers that were told of no change since they took the last.
    idle: BTreeSet<u64>,
    /// Watchers by what they keep: (mark, tag).
    marks: BTreeSet<(u64, u64)>,
    watchers: usize,
}

impl WatchedGroup {
    /// Bytes that are kept for its watchers only: at most what was replaced since the one that is
    /// furthest behind.
    fn retained_bytes(&self) -> u64 {
        self.marks.first().map_or(0, |(mark, _)| self.replaced_bytes.saturating_sub(*mark))
    }
}

/// All watchers of a node.
#[derive(Debug, Default)]
pub(crate) struct Watchers {
    watchers: BTreeMap<u64, Watcher>,
    groups: BTreeMap<GroupName, WatchedGroup>,
    /// Bytes that are kept for watchers only.
    retained_bytes: u64,
}

impl Watchers {
    pub(crate) fn len(&self) -> usize {
        self.watchers.len()
    }

    pub(crate) fn contains(&self, tag: u64) -> bool {
        self.watchers.contains_key(&tag)
    }

    /// What a watcher watches.
    pub(crate) fn group(&self, tag: u64) -> Option<&GroupName> {
        self.watchers.get(&tag).map(|watcher| &watcher.group)
    }

    /// Bytes that are kept for watchers only, about.
    pub(crate) const fn retained_bytes(&self) -> u64 {
        self.retained_bytes
    }

    /// One more, or another in the place of that of the same tag.
    pub(crate) fn insert(&mut self, tag: u64, group: &GroupName, state: GroupState) {
        self.remove(tag);
        let nothing = GroupState::new(group.clone());
        let watched = self.groups.entry(group.clone()).or_insert_with(|| WatchedGroup {
            latest: state,
            replaced_bytes: 0,
            idle: BTreeSet::new(),
            marks: BTreeSet::new(),
            watchers: 0,
        });
        watched.watchers += 1;
        watched.idle.insert(tag);
        self.watchers.insert(tag, Watcher { group: group.clone(), cursor: Some(Cursor::new(nothing)) });
    }

    pub(crate) fn remove(&mut self, tag: u64) {
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

    /// Changes what is kept of a group, and keeps the sum.
    fn with(&mut self, group: &GroupName, change: impl FnOnce(&mut WatchedGroup)) {
        let Some(watched) = self.groups.get_mut(group) else { return };
        let before = watched.retained_bytes();
        change(watched);
        self.retained_bytes =
            self.retained_bytes.saturating_sub(before).saturating_add(watched.retained_bytes());
    }

    /// A watcher has taken what goes up to there. A cursor of another group is none of it.
    pub(crate) fn advance(&mut self, tag: u64, until: Option<Cursor>) {
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

    /// What a watcher was not told yet.
    pub(crate) fn difference(&self, tag: u64) -> Option<Difference> {
        let watcher = self.watchers.get(&tag)?;
        let watched = self.groups.get(&watcher.group)?;
        let WatchedGroup { latest, replaced_bytes: spent, .. } = watched;
        Some(Difference { from: watcher.cursor.clone(), now: latest.clone(), replaced_bytes: *spent })
    }

    /// Whether anybody watches the group.
    pub(crate) fn is_watched(&self, group: &GroupName) -> bool {
        self.groups.contains_key(group)
    }

    /// The state of a group is this one now. Returns the watchers that are to be told that there is
    /// something: each once, until it takes it.
    pub(crate) fn update(&mut self, group: &GroupName, state: GroupState) -> Vec<u64> {
        self.with(group, |watched| {
            let bytes = u64::try_from(watched.latest.unshared_bytes(&state)).unwrap_or(u64::MAX);
            // What only adds replaces nothing, and is news all the same.
            let news = u64::from(watched.latest.fingerprint() != state.fingerprint());
            watched.replaced_bytes = watched.replaced_bytes.saturating_add(bytes.max(news));
            watched.latest = state;
        });
        let Some(watched) = self.groups.get_mut(group) else { return Vec::new() };
        let (spent, is_empty) = (watched.replaced_bytes, watched.latest.records().len() == 0);
        let is_behind = |tag: &u64| {
            let cursor = self.watchers.get(tag).and_then(|watcher| watcher.cursor.as_ref());
            // Who knows nothing yet is not behind a group of which nothing is known.
            cursor.is_none_or(|cursor| cursor.is_behind(spent) && (cursor.mark().is_some() || !is_empty))
        };
        let notified: Vec<u64> = watched.idle.iter().filter(|tag| is_behind(tag)).copied().collect();
        for tag in &notified {
            watched.idle.remove(tag);
        }
        notified
    }

    /// Gives up those that are furthest behind, until no more than so many bytes are kept. They are
    /// told so in the place of what they missed. Returns how many.
    pub(crate) fn limit_retained(&mut self, max: u64) -> usize {
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

/// Takes out what one watcher kept.
fn remove_mark(marks: &mut BTreeSet<(u64, u64)>, cursor: Option<&Cursor>, tag: u64) {
    if let Some(mark) = cursor.and_then(Cursor::mark) {
        marks.remove(&(mark, tag));
    }
}

#[cfg(test)]
mod tests {
    use gm_data::{Change, KeyRange, Replica, WriteContext};

    use super::*;

    /// A group whose ranges change, and its watchers.
    struct TestGroup {
        group: GroupName,
        replica: Replica,
        watches: Watchers,
    }

    impl TestGroup {
        fn new(name: &str) -> TestGroup {
            let group: GroupName = name.parse().unwrap();
            let replica = Replica::new("10.0.0.1:1".parse().unwrap(), group.clone());
            TestGroup { group, replica, watches: Watchers::default() }
        }

        /// Serves so many ranges anew, and says who is told of it.
        fn serve(&mut self, count: u32, priority: u16) -> Vec<u64> {
            let range = |at: u32| KeyRange::new(at * 10, at * 10 + 9).unwrap();
            let serve = |at| Change::Serve { range: range(at), port: Some(1), priority };
            let changes: Vec<_> = (0..count).map(serve).collect();
            self.replica.change(&changes, WriteContext { unix_seconds: 1, entropy: 1, millis: 0 }).unwrap();
            self.watches.update(&self.group, self.replica.state().unindexed())
        }

        fn watch(&mut self, tag: u64) -> Vec<u64> {
            self.watches.insert(tag, &self.group, self.replica.state().unindexed());
            self.watches.update(&self.group, self.replica.state().unindexed())
        }

        /// Takes what there is, or a part of it. How many events, and who is told of more.
        fn take(&mut self, tag: u64, max: usize) -> (Option<usize>, Vec<u64>) {
            let part = self.watches.difference(tag).unwrap().part(max);
            self.watches.advance(tag, Some(part.cursor));
            let notified = self.watches.update(&self.group, self.replica.state().unindexed());
            (part.events.map(|events| events.len()), notified)
        }
    }

    #[test]
    fn a_watcher_is_notified_once_until_it_advances() {
        let mut ground = TestGroup::new("g");
        assert!(ground.watch(1).is_empty(), "nothing is there");
        assert_eq!(ground.serve(3, 1), [1]);
        assert_eq!(ground.watch(2), [2]);
        assert!(ground.serve(3, 2).is_empty() && ground.serve(5, 2).is_empty(), "both were told");
        assert_eq!(ground.take(1, 100), (Some(6), vec![]), "it joined, and five ranges");
        assert_eq!(ground.serve(5, 3), [1]);
        assert_eq!(ground.take(1, 2), (Some(2), vec![1]), "there is more of the same difference");
        assert_eq!(ground.take(1, 3), (Some(3), vec![]));
        ground.watches.remove(1);
        ground.watches.remove(2);
        assert_eq!(
            (ground.watches.len(), ground.watches.groups.len(), ground.watches.retained_bytes()),
            (0, 0, 0)
        );
    }

    #[test]
    fn only_the_slowest_watcher_has_to_start_over() {
        const MOST: u64 = 256 << 10;
        let mut ground = TestGroup::new("g");
        ground.serve(1_000, 1);
        for tag in 0..100 {
            ground.watch(tag);
            assert_eq!(ground.take(tag, usize::MAX), (Some(1_001), vec![]));
        }
        assert_eq!(ground.watches.retained_bytes(), 0, "who knows everything keeps nothing");
        let mut lost = 0;
        // All but one read nothing; each of them has seen another state.
        for round in 0..100_u64 {
            ground.serve(1_000, u16::try_from(2 + round).unwrap());
            lost += ground.watches.limit_retained(MOST);
            assert!(ground.watches.retained_bytes() <= MOST, "{round}: {}", ground.watches.retained_bytes());
            assert_eq!(ground.take(99, usize::MAX).0, Some(1_000), "it reads, and misses nothing");
            if round < 98 {
                ground.take(round, usize::MAX);
            }
        }
        assert!(lost > 80 && lost < 200, "{lost}");
        assert_eq!(ground.take(0, usize::MAX), (None, vec![]), "it is told so");
        ground.serve(5, 1);
        assert_eq!(ground.take(0, usize::MAX).0, Some(5), "and goes on from there");
        (0..100).for_each(|tag| ground.watches.remove(tag));
        assert_eq!(ground.watches.retained_bytes(), 0);
    }

    #[test]
    fn an_idle_group_is_not_dropped_for_a_busy_one() {
        let mut resting = TestGroup::new("rests");
        resting.serve(100, 1);
        resting.watch(1);
        resting.take(1, usize::MAX);
        let mut moving = TestGroup { watches: resting.watches, ..TestGroup::new("moves") };
        moving.serve(100, 1);
        moving.watch(2);
        moving.take(2, usize::MAX);
        moving.serve(100, 2);
        assert!(moving.watches.retained_bytes() > 2_000);
        assert_eq!(moving.watches.limit_retained(1_000), 1);
        resting.watches = moving.watches;
        resting.serve(100, 2);
        assert_eq!(resting.take(1, usize::MAX).0, Some(100));
        // A cursor of another group is none.
        let stray = resting.watches.difference(2).unwrap().skip().cursor;
        resting.watches.advance(1, Some(stray));
        assert_eq!(resting.watches.difference(1).unwrap().part(9).events, Some(vec![]));
    }
}
