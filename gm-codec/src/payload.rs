//! A payload: what is inside a frame, byte for byte. One value has one encoding, and every other spelling is refused, so
//! `encode(decode(bytes)) == bytes`. Knows nothing of sealing, of sockets and of when to send what.

mod body;
mod error;
mod header;
mod items;
mod parts;
mod read;
mod split;
mod table;

use gm_clock::NetId;

pub use body::{Application, Body, Group, Part};
pub use error::PayloadError;
pub use header::{Header, Origin};
pub use split::{Split, split};

use crate::Limits;
use header::Refs;
use read::Reader;
use table::Table;

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
        self.header.check(limits)?;
        self.body.check(limits)?;
        let mut named: Vec<NetId> = Vec::new();
        self.header.name_all(&mut named);
        self.body.name_all(&mut named);
        let table = Table::of(named);
        if table.len() > limits.nodes {
            return Err(PayloadError::TooMany {
                what: "table",
                count: table.len() as u64,
                most: limits.nodes as u64,
            });
        }
        table.encode(out);
        self.header.encode(&table, out);
        self.body.encode(&table, out);
        Ok(())
    }

    /// Reads a payload, all of it.
    ///
    /// # Errors
    /// A [`PayloadError`] that names what is wrong and, by [`PayloadError::name`], what other implementations call it.
    pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Payload, PayloadError> {
        let mut reader = Reader::new(bytes);
        let table = Table::decode(&mut reader, limits)?;
        let mut refs = Refs::new(&table);
        let header = Header::decode(&mut reader, &mut refs, limits)?;
        let body = Body::decode(&mut reader, &mut refs, limits)?;
        reader.end()?;
        refs.all_used()?;
        Ok(Payload { header, body })
    }
}
