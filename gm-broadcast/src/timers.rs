//! Timer table: deadlines ordered by time, at most one for each timer. The broadcaster and the node
//! of groups each have one, with an enum of their own timers as key.

use std::collections::{BTreeMap, BTreeSet};

use crate::time::Time;

/// The deadlines of a machine; `K` names its timers.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    by_time: BTreeSet<(Time, K)>,
    by_timer: BTreeMap<K, Time>,
}

impl<K: Ord + Clone> Timers<K> {
    /// A table without deadlines.
    #[must_use]
    pub const fn new() -> Timers<K> {
        Timers { by_time: BTreeSet::new(), by_timer: BTreeMap::new() }
    }

    /// Sets a timer, whatever it was set to.
    pub fn set(&mut self, timer: K, at: Time) {
        if let Some(before) = self.by_timer.insert(timer.clone(), at) {
            self.by_time.remove(&(before, timer.clone()));
        }
        self.by_time.insert((at, timer));
    }

    /// Sets a timer, or cancels it.
    pub fn set_or_cancel(&mut self, timer: K, at: Option<Time>) {
        match at {
            Some(at) => self.set(timer, at),
            None => drop(self.cancel(&timer)),
        }
    }

    /// Sets a timer, unless it is set to an earlier time.
    pub fn set_by(&mut self, timer: K, at: Time) {
        if self.by_timer.get(&timer).is_none_or(|set| *set > at) {
            self.set(timer, at);
        }
    }

    /// Sets a timer, unless it is set.
    pub fn set_if_none(&mut self, timer: K, at: Time) {
        if !self.is_set(&timer) {
            self.set(timer, at);
        }
    }

    /// Cancels a timer; returns what it was set to.
    pub fn cancel(&mut self, timer: &K) -> Option<Time> {
        let at = self.by_timer.remove(timer)?;
        self.by_time.remove(&(at, timer.clone()));
        Some(at)
    }

    /// Time to which a timer is set.
    #[must_use]
    pub fn get(&self, timer: &K) -> Option<Time> {
        self.by_timer.get(timer).copied()
    }

    /// Whether a timer is set.
    #[must_use]
    pub fn is_set(&self, timer: &K) -> bool {
        self.get(timer).is_some()
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next(&self) -> Option<Time> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Removes and returns the first timer that is due.
    pub fn take(&mut self, now: Time) -> Option<K> {
        let (at, timer) = self.by_time.first()?;
        if *at > now {
            return None;
        }
        let timer = timer.clone();
        self.cancel(&timer);
        Some(timer)
    }

    /// Removes and returns the least of the timers that are due and, if `K` is an enum, the due
    /// timers of the same variant, in the order of `K`. Where several timers are due, as after a
    /// pause, they are handled in the order of their keys and not of their deadlines.
    pub fn take_variant(&mut self, now: Time) -> Vec<K> {
        let due: BTreeSet<&K> =
            self.by_time.iter().take_while(|(at, _)| *at <= now).map(|(_, timer)| timer).collect();
        let variant = due.first().map(|first| std::mem::discriminant(*first));
        let taken = due.into_iter().take_while(|timer| Some(std::mem::discriminant(*timer)) == variant);
        let taken: Vec<K> = taken.cloned().collect();
        for timer in &taken {
            self.cancel(timer);
        }
        taken
    }

    /// Number of timers that are set.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_timer.len()
    }

    /// Whether no timer is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_timer.is_empty()
    }
}

impl<K: Ord + Clone> Default for Timers<K> {
    fn default() -> Timers<K> {
        Timers::new()
    }
}

#[cfg(test)]
mod tests;
