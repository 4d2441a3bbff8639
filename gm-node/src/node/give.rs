//! Handing over records: increments where they can be made, whole records else, by one datagram if they fit, by a connection in pieces else. Knows
//! nothing of why they are wanted.

use gm_broadcast::{Time, Transport};
use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{GroupName, Record, Replica, Transfer, Version};

use super::Node;
use super::compare::Way;
use crate::plant::{Bug, planted};
use crate::store::Store;

/// A record that somebody wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    pub(super) member: NetId,
    /// What it has.
    pub(super) known: Option<Version>,
    /// Whether only the whole record will do.
    pub(super) whole: bool,
}

impl Wish {
    pub(super) const fn whole(record: &Record) -> Wish {
        Wish { member: record.member(), known: None, whole: true }
    }
}

/// What is taken to have at most so many bytes is tried by a datagram: sizes are taken from above, and what does not fit after all goes by a connection.
const TRIED: usize = 2 * gm_codec::Limits::DEFAULT.datagram;
/// Bytes of a piece that goes by a connection, about.
const PIECE: usize = 64 << 10;
/// Bytes of a part beside its items, and of an item, at most mostly.
const PART: usize = 48;
const ITEM: usize = 16;

impl<S: Store> Node<S> {
    /// Sends what is wished for, as much of it as one answer may have: that way, if it fits into one datagram, by a connection else.
    pub(super) fn give(&mut self, now: Time, (to, by): Way, group: &GroupName, wishes: &[Wish]) {
        let me = self.me();
        let held = self.groups().held.contains_key(group);
        let Some(state) = self.groups().topology.group(group).map(Replica::state) else { return };
        let gift = self.config.bounds.gift;
        let (mut pieces, mut piece, mut size, mut sum) = (Vec::new(), Vec::new(), 0, 0);
        for wish in wishes.iter().filter(|wish| held || wish.member == me && !planted(Bug::LeaveNotTold)) {
            let transfer = match state.record(wish.member) {
                Some(record) if wish.whole => Transfer::Whole(record.clone()),
                _ => state.transfer_for(wish.member, wish.known),
            };
            let (part, items) = match transfer {
                Transfer::Nothing | Transfer::Request => continue,
                Transfer::Increment(increment) => {
                    let items = increment.items().len();
                    (MemberUpdate::Increment(increment), items)
                }
                Transfer::Whole(record) => {
                    let items = record.item_counts().1;
                    (MemberUpdate::Record(without_floor(record)), items)
                }
            };
            let bytes = PART + ITEM * items;
            if size > 0 && size + bytes > PIECE {
                pieces.push((size, std::mem::take(&mut piece)));
                size = 0;
            }
            size += bytes;
            sum += bytes;
            piece.push(part);
            if sum >= gift {
                break;
            }
        }
        if !piece.is_empty() {
            pieces.push((size, piece));
        }
        let alone = pieces.len() == 1;
        for (size, mut parts) in pieces {
            parts.sort_by_key(MemberUpdate::member);
            parts.dedup_by_key(|part| part.member());
            let by = if alone && size <= TRIED { by } else { Transport::Tcp };
            self.groups_mut().counters.add("anti-entropy", "records given", parts.len() as u64);
            self.send(now, to, Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: parts }), by);
        }
    }
}

/// The record as it is; with the bug planted, as if increments could be made from any clock.
fn without_floor(record: Record) -> Record {
    if !planted(Bug::FloorNotCarried) {
        return record;
    }
    let (member, version, opened) = (record.member(), record.version(), record.predecessor());
    Record::from_parts(member, version, opened, 0, record.stamped_items()).unwrap_or(record)
}
