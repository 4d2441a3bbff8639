//! The table of a payload: all NetIds that it names, sorted, without duplicates. The rest of the
//! payload refers to them by position. Adjacent entries share most of their bytes, so each is
//! encoded as its difference to the one before.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use gm_clock::NetId;

use super::PayloadError;
use super::reader::Reader;
use super::trace::{ENTRY, Trace, hex};
use crate::Limits;
use crate::varint;

pub(super) struct Table {
    entries: Vec<NetId>,
}

impl Table {
    /// The table of these nodes.
    pub(super) fn from_nodes(mut nodes: Vec<NetId>) -> Table {
        nodes.sort_unstable();
        nodes.dedup();
        Table { entries: nodes }
    }

    pub(super) const fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn get(&self, index: usize) -> NetId {
        self.entries[index]
    }

    /// The position of a node of the table.
    pub(super) fn position(&self, node: NetId) -> u64 {
        self.entries.binary_search(&node).expect("every node was collected") as u64
    }

    /// IPv4 entries, then IPv6 entries; see `docs/WIRE.md`, "Table".
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let v4 = self.entries.partition_point(|entry| entry.ip().is_ipv4());
        let v6 = self.entries.len() - v4;
        varint::write((v4 as u64) << 1 | u64::from(v6 > 0), out);
        if v6 > 0 {
            varint::write(v6 as u64, out);
        }
        let (mut address, mut port) = (0, 0);
        let mut octets = [0; 16];
        for entry in &self.entries {
            let same_port = entry.port() == port;
            match entry.ip() {
                IpAddr::V4(ip) => {
                    let delta = u64::from(ip.to_bits() - address);
                    varint::write(delta << 1 | u64::from(same_port), out);
                    address = ip.to_bits();
                }
                IpAddr::V6(ip) => {
                    let shared = common_prefix(&octets, &ip.octets());
                    out.push(shared << 1 | u8::from(same_port));
                    octets = ip.octets();
                    out.extend_from_slice(&octets[usize::from(shared)..]);
                }
            }
            if !same_port {
                out.extend_from_slice(&entry.port().to_be_bytes());
            }
            port = entry.port();
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        limits: &Limits,
    ) -> Result<Table, PayloadError> {
        let (v4, count) = decode_counts(reader, limits)?;
        // An entry takes at least one byte, which was checked.
        let mut entries: Vec<NetId> = Vec::with_capacity(count);
        let (mut address, mut port) = (0_u32, 0_u16);
        let mut octets = [0; 16];
        for number in 0..count {
            let (ip, same_port) = if number < v4 {
                let head = reader.varint_as(ENTRY, |head| {
                    let delta = u32::try_from(head >> 1).ok();
                    let ip = delta.and_then(|delta| address.checked_add(delta)).map(Ipv4Addr::from_bits);
                    let ip = ip.map_or("above 32 bits".to_owned(), |ip| ip.to_string());
                    format!("{number}: {ip}, {}", port_text(head & 1 == 1, port))
                })?;
                let delta = u32::try_from(head >> 1).map_err(|_| reader.out_of_range("address"))?;
                address = address.checked_add(delta).ok_or(reader.out_of_range("address"))?;
                (IpAddr::V4(Ipv4Addr::from_bits(address)), head & 1 == 1)
            } else {
                let head = reader.byte_as(ENTRY, |head| {
                    format!("{number}: {} octets shared, {}", head >> 1, port_text(head & 1 == 1, port))
                })?;
                let shared = head >> 1;
                if shared > 16 {
                    return Err(reader.out_of_range("address"));
                }
                let before = octets;
                let rest = reader.bytes_as("octets", 16 - usize::from(shared), |rest| {
                    format!("{}, after {}", hex(rest), hex(&before[..usize::from(shared)]))
                })?;
                octets[usize::from(shared)..].copy_from_slice(rest);
                if common_prefix(&before, &octets) != shared {
                    return Err(reader.not_canonical("address"));
                }
                (IpAddr::V6(Ipv6Addr::from(octets)), head & 1 == 1)
            };
            if !same_port {
                let given = reader.port("port")?;
                if given == port {
                    return Err(reader.not_canonical("port"));
                }
                port = given;
            }
            let entry = NetId::new(ip, port)?;
            if entries.last().is_some_and(|last| *last >= entry) {
                return Err(PayloadError::Unsorted { what: "table" });
            }
            entries.push(entry);
        }
        Ok(Table { entries })
    }
}

/// Decodes the number of IPv4 entries and the number of all entries.
fn decode_counts<T: Trace>(
    reader: &mut Reader<'_, T>,
    limits: &Limits,
) -> Result<(usize, usize), PayloadError> {
    let too_many = |count: u64| PayloadError::TooMany { what: "table", count, max: limits.nodes as u64 };
    let head = reader.varint_as("count", |head| {
        format!("{} IPv4 entries, {} IPv6 entries", head >> 1, if head & 1 == 1 { "and" } else { "no" })
    })?;
    let (v4, has_v6) = (head >> 1, head & 1 == 1);
    if v4 > limits.nodes as u64 {
        return Err(too_many(v4));
    }
    let v6 = if has_v6 { reader.varint("count6")? } else { 0 };
    if v6 > limits.nodes as u64 {
        return Err(too_many(v6));
    }
    if has_v6 && v6 == 0 {
        return Err(reader.not_canonical("table"));
    }
    // Both are within a limit that is far below 2^63. The remaining bytes are checked before the
    // limit of the sum.
    let count = reader.checked_count("table", v4 + v6, usize::MAX)?;
    if count > limits.nodes {
        return Err(too_many(count as u64));
    }
    let v6 = usize::try_from(v6).unwrap_or(count).min(count);
    Ok((count - v6, count))
}

fn port_text(same: bool, before: u16) -> String {
    if same { format!("port {before}, as before") } else { "port follows".to_owned() }
}

/// Number of leading octets that the two addresses share, 0 to 16.
fn common_prefix(a: &[u8; 16], b: &[u8; 16]) -> u8 {
    let mut shared = 0;
    while usize::from(shared) < 16 && a[usize::from(shared)] == b[usize::from(shared)] {
        shared += 1;
    }
    shared
}
