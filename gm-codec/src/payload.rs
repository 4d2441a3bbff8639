//! A payload, the decompressed content of a frame: encoding and decoding.
//!
//! One value has exactly one encoding, and every other one is refused. So the encoding of a decoded
//! payload is the decoded bytes.

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

use bytes::Bytes;
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

/// A whole payload: sender, origin and routing, and the content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Payload {
    /// Sender, origin and targets.
    pub header: Header,
    /// The content.
    pub body: Body,
}

impl Payload {
    /// Appends the payload to `out`: table, header, tag, body.
    ///
    /// # Errors
    /// A [`PayloadError`] if the payload cannot be encoded, for example because a list is unsorted
    /// or exceeds a limit. Then `out` is unchanged.
    pub fn encode(&self, limits: &Limits, out: &mut Vec<u8>) -> Result<(), PayloadError> {
        Payload::encode_parts(&self.header, &self.body, limits, out)
    }

    /// Appends the payload of a header and a body to `out`, for callers that send one body with
    /// many headers.
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

    /// Decodes a whole payload.
    ///
    /// Whatever counts the payload announces, decoding allocates at most 88 bytes in total for each
    /// byte of the payload (`tests/allocations.rs`).
    ///
    /// # Errors
    /// A [`PayloadError`]. [`PayloadError::name`] returns its name, which is the same in every
    /// implementation.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Payload, PayloadError> {
        Payload::read(&mut Reader::new(bytes, ()), limits)
    }

    /// Decodes a whole payload whose buffer may be shared: the content of an application's payload
    /// or of a retransmission is a slice of it if it is at least three quarters of the payload, and
    /// a copy otherwise. Call it only if the payload is most of the buffer in which it lies, as the
    /// slice keeps all of that in memory; [`OpenedFrame::decode`](crate::OpenedFrame::decode)
    /// decides that for a frame.
    ///
    /// # Errors
    /// As [`decode`](Payload::decode).
    pub fn decode_shared(bytes: &Bytes, limits: &Limits) -> Result<Payload, PayloadError> {
        Payload::read(&mut Reader::of_shared(bytes, ()), limits)
    }

    /// Decodes a whole payload and reports each decoded field, also those before an error. For
    /// diagnostics.
    ///
    /// # Errors
    /// A [`TracedError`]: the error of [`decode`](Payload::decode), and its offset.
    pub fn decode_traced(
        bytes: &[u8],
        limits: &Limits,
        report: &mut impl FnMut(TracedField),
    ) -> Result<Payload, TracedError> {
        let mut reader = Reader::new(bytes, FieldSink::new(report));
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
