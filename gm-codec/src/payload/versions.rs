//! Versions of the members' records that the sender has (tag 11).

use gm_clock::{CEILING, Incarnation, NetId};
use gm_data::{GroupName, Version};

use super::buckets::{check_indexes, decode_index, decode_level};
use super::reader::Reader;
use super::table::Table;
use super::table_refs::{DeltaCoder, TableRefs};
use super::trace::Trace;
use super::{PayloadError, check, names};
use crate::Limits;
use crate::varint;

/// Versions of members' records in one group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The name of the group.
    pub name: GroupName,
    /// Whether living records have their digests.
    pub digests: bool,
    /// Whole buckets: their level, 0 to 15, and their indexes, at least one, sorted, without
    /// duplicates. The message then has every member of these buckets of which the sender has a
    /// record.
    pub buckets: Option<(u8, Vec<u64>)>,
    /// The versions, sorted by member, without duplicates. `None` means that the sender has no
    /// record of the member; not allowed with whole buckets.
    pub versions: Vec<(NetId, Option<KnownVersion>)>,
}

/// The version of a record that the sender has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownVersion {
    /// The version.
    pub version: Version,
    /// Digest of a living record, if the message has digests.
    pub digest: Option<u64>,
}

mod flag {
    pub(super) const DIGESTS: u64 = 1;
    pub(super) const BUCKETS: u64 = 1 << 1;
    pub(super) const KNOWN: [(u64, &str); 2] = [(DIGESTS, "with digests"), (BUCKETS, "of whole buckets")];
}

mod code {
    pub(super) const LIVING: u64 = 0;
    pub(super) const FORGOTTEN: u64 = 1;
    pub(super) const NONE: u64 = 2;
}

impl Versions {
    pub(super) fn check(&self, limits: &Limits) -> Result<(), PayloadError> {
        if let Some((level, indexes)) = &self.buckets {
            check::not_empty("buckets", indexes.len())?;
            check::at_most("buckets", indexes.len(), limits.nodes)?;
            check_indexes(*level, indexes)?;
        }
        check::at_most("versions", self.versions.len(), limits.nodes)?;
        check::sorted("versions", &self.versions, |after, before| after.0 > before.0)?;
        for (_, known) in &self.versions {
            match known {
                None if self.buckets.is_some() => {
                    return Err(PayloadError::UnknownCode { what: "version", code: code::NONE });
                }
                None => {}
                Some(KnownVersion { version, digest }) => {
                    check::in_range("clock", version.clock <= CEILING)?;
                    if digest.is_some() != (self.digests && !version.forgotten) {
                        return Err(check::not_canonical("digest"));
                    }
                }
            }
        }
        Ok(())
    }

    pub(super) fn collect_nodes(&self, nodes: &mut Vec<NetId>) {
        nodes.extend(self.versions.iter().map(|(member, _)| *member));
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        names::encode_text(self.name.as_str(), out);
        let buckets = if self.buckets.is_some() { flag::BUCKETS } else { 0 };
        varint::write(buckets | if self.digests { flag::DIGESTS } else { 0 }, out);
        if let Some((level, indexes)) = &self.buckets {
            out.push(*level);
            varint::write(indexes.len() as u64, out);
            let mut distances = DeltaCoder::default();
            for index in indexes {
                varint::write(distances.encode(*index), out);
            }
        }
        varint::write(self.versions.len() as u64, out);
        let mut distances = DeltaCoder::default();
        for (member, known) in &self.versions {
            let head = distances.encode(table.position(*member)) << 2;
            match known {
                None => varint::write(head | code::NONE, out),
                Some(KnownVersion { version, digest }) => {
                    varint::write(head | if version.forgotten { code::FORGOTTEN } else { code::LIVING }, out);
                    varint::write(version.incarnation.get(), out);
                    varint::write(version.clock, out);
                    out.extend(digest.iter().flat_map(|digest| digest.to_be_bytes()));
                }
            }
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
        limits: &Limits,
    ) -> Result<Versions, PayloadError> {
        let name = names::decode_group_name(reader, "name")?;
        let flags = reader.flags("flags", &flag::KNOWN)?;
        let (digests, whole) = (flags & flag::DIGESTS != 0, flags & flag::BUCKETS != 0);
        let buckets = whole.then(|| decode_buckets(reader, limits)).transpose()?;
        let count = reader.count("versions", limits.nodes)?;
        // A version takes at least one byte, and its member one in the table.
        let mut versions = Vec::with_capacity(count.min(refs.len()));
        let mut distances = DeltaCoder::default();
        for _ in 0..count {
            let head = reader.varint_as("version", |head| {
                let code = match head & 3 {
                    code::LIVING => "a living record",
                    code::FORGOTTEN => "a forgotten record",
                    code::NONE => "no record",
                    _ => "code 3",
                };
                format!("{code} of {}", refs.describe(distances.peek(head >> 2)))
            })?;
            let member = refs.node_at(distances.decode(head >> 2))?;
            let forgotten = match head & 3 {
                code::LIVING => false,
                code::FORGOTTEN => true,
                code::NONE if !whole => {
                    versions.push((member, None));
                    continue;
                }
                code => return Err(PayloadError::UnknownCode { what: "version", code }),
            };
            let version = Version {
                incarnation: decode_incarnation(reader)?,
                forgotten,
                clock: decode_ticks(reader, "clock")?,
            };
            let digest = digests && !forgotten;
            let digest = digest.then(|| reader.array("digest")).transpose()?.map(u64::from_be_bytes);
            versions.push((member, Some(KnownVersion { version, digest })));
        }
        Ok(Versions { name, digests, buckets, versions })
    }
}

fn decode_buckets<T: Trace>(
    reader: &mut Reader<'_, T>,
    limits: &Limits,
) -> Result<(u8, Vec<u64>), PayloadError> {
    let level = decode_level(reader)?;
    let count = reader.nonzero_count("buckets", limits.nodes)?;
    // An index takes at least one byte, which was checked.
    let mut indexes = Vec::with_capacity(count);
    let mut distances = DeltaCoder::default();
    for _ in 0..count {
        indexes.push(decode_index(reader, level, &mut distances)?);
    }
    Ok((level, indexes))
}

/// Decodes a clock or a floor.
pub(super) fn decode_ticks<T: Trace>(
    reader: &mut Reader<'_, T>,
    what: &'static str,
) -> Result<u64, PayloadError> {
    let number = reader.varint(what)?;
    if number > CEILING { Err(reader.out_of_range(what)) } else { Ok(number) }
}

/// Decodes an incarnation.
pub(super) fn decode_incarnation<T: Trace>(reader: &mut Reader<'_, T>) -> Result<Incarnation, PayloadError> {
    let number = decode_ticks(reader, "incarnation")?;
    Incarnation::new(number).map_err(|_| reader.out_of_range("incarnation"))
}
