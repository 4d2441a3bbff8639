//! A payload: what is inside a frame, byte for byte. One value has one encoding, and every other spelling is refused, so
//! `encode(decode(bytes)) == bytes`. Knows nothing of sealing, of sockets and of when to send what.

mod application;
mod body;
mod buckets;
mod check;
mod error;
mod gaps;
mod group;
mod header;
mod items;
mod names;
mod parts;
mod peers;
mod read;
mod receipt;
mod refs;
mod requests;
mod sections;
mod split;
mod sync;
mod table;
mod trace;
mod versions;

use gm_clock::NetId;

pub use application::Application;
pub use body::Body;
pub use buckets::{Buckets, Parent};
pub use error::PayloadError;
pub use gaps::{Gaps, Missed, Repeat};
pub use group::{Group, Part};
pub use header::{Broadcast, Header, Kind, Origin, Receipts};
pub use peers::{Island, Peers};
pub use receipt::{Answer, BroadcastId, Receipt, Sum};
pub use requests::Requests;
pub use sections::Section;
pub use split::{Split, split};
pub use sync::{Fingerprints, Holding, Root};
pub use trace::{Fault, Field};
pub use versions::{Known, Versions};

use crate::Limits;
use read::Reader;
use refs::Refs;
use table::Table;
use trace::{Sink, Trace};

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
    /// A [`PayloadError`] if the payload cannot be said: a list that is not sorted, more of something than the limits allow. `out`
    /// is then as it was.
    pub fn encode(&self, limits: &Limits, out: &mut Vec<u8>) -> Result<(), PayloadError> {
        Payload::encode_parts(&self.header, &self.body, limits, out)
    }

    /// Appends the payload of a header and a body to `out`: for who sends one body under many headers.
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
        body.check(header.kind == Kind::Direct, limits)?;
        let mut named: Vec<NetId> = Vec::new();
        header.name_all(&mut named);
        body.name_all(&mut named);
        let table = Table::of(named);
        check::at_most("table", table.len(), limits.nodes)?;
        table.encode(out);
        header.encode(&table, out);
        body.encode(&table, out);
        Ok(())
    }

    /// Reads a payload, all of it.
    ///
    /// Whatever the bytes announce, memory asked for on the way is in all at most 88 bytes for each byte of the payload
    /// (`tests/allocations.rs`): it is what is there that costs, never what is announced.
    ///
    /// # Errors
    /// A [`PayloadError`] that names what is wrong and, by [`PayloadError::name`], what other implementations call it.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Payload, PayloadError> {
        Payload::read(&mut Reader::new(bytes, ()), limits)
    }

    /// Reads a payload, all of it, and tells of each field that was read, also of those before a fault. For humans.
    ///
    /// # Errors
    /// A [`Fault`]: what [`decode`](Payload::decode) says, and where.
    pub fn decode_traced(
        bytes: &[u8],
        limits: &Limits,
        tell: &mut impl FnMut(Field),
    ) -> Result<Payload, Fault> {
        let mut reader = Reader::new(bytes, Sink::new(tell));
        Payload::read(&mut reader, limits).map_err(|error| reader.trace().fault(reader.at(), error))
    }

    fn read<T: Trace>(reader: &mut Reader<'_, T>, limits: &Limits) -> Result<Payload, PayloadError> {
        let table = Table::decode(reader, limits)?;
        let mut refs = Refs::new(&table);
        let header = Header::decode(reader, &mut refs, limits)?;
        let body = Body::decode(reader, &mut refs, header.kind == Kind::Direct, limits)?;
        reader.end()?;
        refs.all_used()?;
        Ok(Payload { header, body })
    }
}
