//! A payload: what is inside a frame, byte for byte. One value has one encoding, and every other
//! spelling is refused, so `encode(decode(bytes)) == bytes`. Knows nothing of sealing, of sockets
//! and of when to send what.

mod ack;
mod application;
mod body;
mod buckets;
mod check;
mod error;
mod extensions;
mod fingerprints;
mod group_update;
mod header;
mod items;
mod member_update;
mod nack;
mod names;
mod peer_exchange;
mod reader;
mod record_requests;
mod split;
mod table;
mod table_refs;
mod trace;
mod versions;

use gm_clock::NetId;

pub use ack::{Ack, AckStatus, AckSummary, BroadcastId};
pub use application::ApplicationPayload;
pub use body::Body;
pub use buckets::{Buckets, ParentBucket};
pub use error::PayloadError;
pub use extensions::Extension;
pub use fingerprints::{Fingerprints, GroupEntry, Root};
pub use group_update::{GroupUpdate, MemberUpdate};
pub use header::{AckRequest, BroadcastHeader, Header, Origin, Routing};
pub use nack::{MissedMulticasts, Nack, Retransmission};
pub use peer_exchange::{PeerExchange, PeerIsland};
pub use record_requests::RecordRequests;
pub use split::{SplitState, split_state};
pub use trace::{TracedError, TracedField};
pub use versions::{KnownVersion, Versions};

use crate::Limits;
use reader::Reader;
use table::Table;
use table_refs::TableRefs;
use trace::{FieldSink, Trace};

/// A whole payload: who sends it and on whose behalf, and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Who sends it, on whose behalf, and to whom it is to be passed on.
    pub header: Header,
    /// What it says.
    pub body: Body,
}

impl Payload {
    /// Appends the payload to `out`: table, header, tag, body.
    ///
    /// # Errors
    /// A [`PayloadError`] if the payload cannot be said: a list that is not sorted, more of
    /// something than the limits allow. `out` is then as it was.
    pub fn encode(&self, limits: &Limits, out: &mut Vec<u8>) -> Result<(), PayloadError> {
        Payload::encode_parts(&self.header, &self.body, limits, out)
    }

    /// Appends the payload of a header and a body to `out`: for who sends one body under many
    /// headers.
    ///
    /// # Errors
    /// As [`encode`](Payload::encode).
    pub fn encode_parts(
        header: &Header,
        body: &Body,
        limits: &Limits,
        out: &mut Vec<u8>,
    ) -> Result<(), PayloadError> {
        header.check(limits)?;
        body.check(header.routing == Routing::Direct, limits)?;
        let mut nodes: Vec<NetId> = Vec::new();
        header.collect_nodes(&mut nodes);
        body.collect_nodes(&mut nodes);
        let table = Table::from_nodes(nodes);
        check::at_most("table", table.len(), limits.nodes)?;
        table.encode(out);
        header.encode(&table, out);
        body.encode(&table, out);
        Ok(())
    }

    /// Reads a payload, all of it.
    ///
    /// Whatever the bytes announce, memory asked for on the way is in all at most 88 bytes for each
    /// byte of the payload (`tests/allocations.rs`): it is what is there that costs, never what is
    /// announced.
    ///
    /// # Errors
    /// A [`PayloadError`] that names what is wrong and, by [`PayloadError::name`], what other
    /// implementations call it.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Payload, PayloadError> {
        Payload::read(&mut Reader::new(bytes, ()), limits)
    }

    /// Reads a payload, all of it, and tells of each field that was read, also of those before a
    /// fault. For humans.
    ///
    /// # Errors
    /// A [`TracedError`]: what [`decode`](Payload::decode) says, and where.
    pub fn decode_traced(
        bytes: &[u8],
        limits: &Limits,
        tell: &mut impl FnMut(TracedField),
    ) -> Result<Payload, TracedError> {
        let mut reader = Reader::new(bytes, FieldSink::new(tell));
        Payload::read(&mut reader, limits).map_err(|error| reader.trace().locate(reader.at(), error))
    }

    fn read<T: Trace>(reader: &mut Reader<'_, T>, limits: &Limits) -> Result<Payload, PayloadError> {
        let table = Table::decode(reader, limits)?;
        let mut refs = TableRefs::new(&table);
        let header = Header::decode(reader, &mut refs, limits)?;
        let body = Body::decode(reader, &mut refs, header.routing == Routing::Direct, limits)?;
        reader.expect_end()?;
        refs.check_all_used()?;
        Ok(Payload { header, body })
    }
}
