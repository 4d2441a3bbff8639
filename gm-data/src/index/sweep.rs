//! Sweep over the whole key space, from boundary to boundary, with the ranges that are served
//! between two of them.

use alloc::collections::BTreeMap;
use alloc::collections::btree_map::Entry;
use core::iter::Peekable;

use super::{Index, MemberNumber, Span};
use crate::KeyRange;
use crate::tree::Iter;

/// The segments between all boundaries of served ranges, in order and without gaps, including
/// unserved ones.
///
/// It is not an iterator: the caller inspects the segment at which the sweep stands, so that a
/// thousand ranges over one key are not copied for each of a thousand segments.
pub(super) struct Sweep<'a> {
    spans: Peekable<Iter<'a, Span>>,
    /// The ranges served at the present segment, sorted by their ends: (end, start, member number).
    open_spans: BTreeMap<(u32, u32, MemberNumber), Span>,
    /// The members that serve the present segment, with the number of their ranges there.
    members: BTreeMap<MemberNumber, u32>,
    next: Option<u32>,
}

impl<'a> Sweep<'a> {
    pub(super) fn new(index: &'a Index) -> Sweep<'a> {
        Sweep {
            spans: index.served.iter().peekable(),
            open_spans: BTreeMap::new(),
            members: BTreeMap::new(),
            next: Some(0),
        }
    }

    /// Advances to the next segment and returns it; `None` at the end of the key space.
    pub(super) fn advance(&mut self) -> Option<KeyRange> {
        let start = self.next?;
        while self.open_spans.first_key_value().is_some_and(|((end, ..), _)| *end < start) {
            if let Some((_, span)) = self.open_spans.pop_first() {
                self.close(span.member);
            }
        }
        while let Some(span) = self.spans.next_if(|span| span.start == start) {
            self.open_spans.insert((span.end, span.start, span.member), *span);
            *self.members.entry(span.member).or_default() += 1;
        }
        let closes = self.open_spans.first_key_value().map_or(u32::MAX, |((end, ..), _)| *end);
        let opens = self.spans.peek().map_or(u32::MAX, |span| span.start - 1);
        let end = closes.min(opens);
        self.next = end.checked_add(1);
        KeyRange::new(start, end).ok()
    }

    /// The ranges served at the present segment.
    pub(super) fn open_spans(&self) -> impl Iterator<Item = &Span> + '_ {
        self.open_spans.values()
    }

    /// The members that serve the present segment, each once.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = MemberNumber> + '_ {
        self.members.keys().copied()
    }

    fn close(&mut self, number: MemberNumber) {
        if let Entry::Occupied(mut ranges) = self.members.entry(number) {
            *ranges.get_mut() -= 1;
            if *ranges.get() == 0 {
                ranges.remove();
            }
        }
    }
}
