//! Requests for members' records (tag 12).

use gm_clock::{CEILING, Incarnation, NetId};
use gm_data::GroupName;

use super::reader::Reader;
use super::table::Table;
use super::table_refs::{DeltaCoder, TableRefs};
use super::trace::Trace;
use super::versions::{decode_incarnation, decode_ticks};
use super::{PayloadError, check, names};
use crate::Limits;
use crate::varint;

/// Requests for records of members of one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRequests {
    /// The name of the group.
    pub name: GroupName,
    /// The requested members, at least one, sorted, without duplicates. If an increment suffices,
    /// with incarnation and clock (in ticks) of the record that the sender has; otherwise the whole
    /// record is requested.
    pub requests: Vec<(NetId, Option<(Incarnation, u64)>)>,
}

impl RecordRequests {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        check::not_empty("requests", self.requests.len())?;
        check::at_most("requests", self.requests.len(), limits.nodes)?;
        check::sorted("requests", &self.requests, |after, before| after.0 > before.0)?;
        let clocks = self.requests.iter().filter_map(|(_, known)| *known);
        check::in_range("clock", clocks.into_iter().all(|(_, clock)| clock <= CEILING))
    }

    pub(super) fn collect_nodes(&self, nodes: &mut Vec<NetId>) {
        nodes.extend(self.requests.iter().map(|(member, _)| *member));
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        names::encode_text(self.name.as_str(), out);
        varint::write(self.requests.len() as u64, out);
        let mut distances = DeltaCoder::default();
        for (member, known) in &self.requests {
            varint::write(distances.encode(table.position(*member)) << 1 | u64::from(known.is_some()), out);
            if let Some((incarnation, clock)) = known {
                varint::write(incarnation.get(), out);
                varint::write(*clock, out);
            }
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
        limits: &Limits,
    ) -> Result<RecordRequests, PayloadError> {
        let name = names::decode_group_name(reader, "name")?;
        let count = reader.nonzero_count("requests", limits.nodes)?;
        // A request takes at least one byte, and its member one in the table.
        let mut requests = Vec::with_capacity(count.min(refs.len()));
        let mut distances = DeltaCoder::default();
        for _ in 0..count {
            let head = reader.varint_as("request", |head| {
                let what = if head & 1 == 1 { "an increment" } else { "the whole record" };
                format!("{what} of {}", refs.describe(distances.peek(head >> 1)))
            })?;
            let member = refs.node_at(distances.decode(head >> 1))?;
            let known = match head & 1 {
                0 => None,
                _ => Some((decode_incarnation(reader)?, decode_ticks(reader, "clock")?)),
            };
            requests.push((member, known));
        }
        Ok(RecordRequests { name, requests })
    }
}
