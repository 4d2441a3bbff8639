//! Sending of records: increments where possible, otherwise whole records; in one datagram if they
//! fit, otherwise in pieces by a connection.

use gm_broadcast::Transport;
use gm_clock::NetId;
use gm_codec::{Body, GroupUpdate, MemberUpdate};
use gm_data::{GroupName, Record, Replica, Transfer, Version};

use crate::counter::NodeCounter;
use crate::node::context::{Context, Route};

/// A record to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RecordRequest {
    pub(super) member: NetId,
    /// The version that the peer has.
    pub(super) known: Option<Version>,
    /// Whether the peer needs the whole record.
    pub(super) whole: bool,
}

impl RecordRequest {
    pub(super) const fn whole_record(record: &Record) -> RecordRequest {
        RecordRequest { member: record.member(), known: None, whole: true }
    }
}

/// Up to this estimated size a datagram is tried. Estimates are upper bounds; what does not fit
/// after all goes by a connection.
const DATAGRAM_ESTIMATE: usize = 2 * gm_codec::Limits::DEFAULT.datagram;
/// Approximate size in bytes of one piece sent by a connection.
const PIECE_BYTES: usize = 64 << 10;
/// Upper estimates in bytes: of an update without its items, and of one item.
const PART_BYTES: usize = 48;
const ITEM_BYTES: usize = 16;

/// Sends the requested records, up to the limit of one reply.
pub(super) fn send_records(cx: &mut Context, (to, by): Route, group: &GroupName, requests: &[RecordRequest]) {
    let me = cx.me();
    let hosted = cx.groups.hosted.contains_key(group);
    let Some(state) = cx.groups.set.group(group).map(Replica::state) else { return };
    let max_bytes = cx.config.limits.exchange_reply_bytes;
    let (mut pieces, mut piece, mut size, mut sum) = (Vec::new(), Vec::new(), 0, 0);
    for request in requests.iter().filter(|request| hosted || request.member == me) {
        let transfer = match state.record(request.member) {
            Some(record) if request.whole => Transfer::Whole(record.clone()),
            _ => state.transfer_for(request.member, request.known),
        };
        let (part, items) = match transfer {
            Transfer::Nothing | Transfer::Request => continue,
            Transfer::Increment(increment) => {
                let items = increment.items().len();
                (MemberUpdate::Increment(increment), items)
            }
            Transfer::Whole(record) => {
                let items = record.item_counts().1;
                (MemberUpdate::Record(record), items)
            }
        };
        let bytes = PART_BYTES + ITEM_BYTES * items;
        if size > 0 && size + bytes > PIECE_BYTES {
            pieces.push((size, std::mem::take(&mut piece)));
            size = 0;
        }
        size += bytes;
        sum += bytes;
        piece.push(part);
        if sum >= max_bytes {
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
        let by = if alone && size <= DATAGRAM_ESTIMATE { by } else { Transport::Tcp };
        cx.groups.counters.add(NodeCounter::RecordsSent, parts.len() as u64);
        cx.send(to, Body::GroupUpdate(GroupUpdate { name: group.clone(), updates: parts }), by);
    }
}
