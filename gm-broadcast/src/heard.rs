//! The set of nodes whose multicast this node hears, each with its epoch, and its digest.
//!
//! If two nodes hear the same nodes, each learns that from one short digest of the other's set.
//! Then the other hears it too, and made the digest after this node drew its epoch. The set is
//! divided into buckets by a hash of the NetId, each with a digest of its own, so a node that only
//! one of the two hears concerns its bucket only.
//!
//! The sender draws a salt for each report, and only holders of the key can read it. So an attacker
//! without the key cannot choose recordings such that this node computes the digest of a recorded
//! report.

use std::collections::BTreeMap;
use std::net::IpAddr;

use gm_clock::NetId;

use crate::time::Time;

/// Bytes of a bucket's digest.
const DIGEST_BYTES: usize = 6;
/// Bytes of the salt.
const SALT_BYTES: usize = 8;
/// Nodes of a bucket on average, at most, as long as the buckets suffice.
const BUCKET_NODES: usize = 4;
/// Greatest number of buckets, as the power of two.
const MAX_LOG_BUCKETS: u32 = 7;

/// The last known frame of a node: the epoch and counter of its nonce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct HeardFrame {
    pub(crate) epoch: [u8; 8],
    pub(crate) counter: u32,
}

/// A node that is heard: its last frame, and since when it is heard in that epoch.
#[derive(Clone, Copy, Debug)]
struct HeardNode {
    frame: HeardFrame,
    since: Time,
}

/// The nodes that are heard, with this node itself, in the order of their hash.
#[derive(Debug, Default)]
pub(crate) struct HeardNodes {
    nodes: BTreeMap<u64, HeardNode>,
}

/// The part of a report that concerns the bucket of its receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BucketReport {
    salt: u64,
    log_buckets: u32,
    digest: [u8; DIGEST_BYTES],
}

impl HeardNodes {
    /// Notes a frame that was received by multicast.
    pub(crate) fn note(&mut self, now: Time, node: NetId, frame: HeardFrame) {
        let heard = self.nodes.entry(place(node)).or_insert(HeardNode { frame, since: now });
        if heard.frame.epoch != frame.epoch {
            heard.since = now;
        }
        heard.frame = frame;
    }

    pub(crate) fn remove(&mut self, node: NetId) {
        self.nodes.remove(&place(node));
    }

    pub(crate) fn get(&self, node: NetId) -> Option<HeardFrame> {
        self.nodes.get(&place(node)).map(|heard| heard.frame)
    }

    /// Since when a node is heard in its present epoch.
    pub(crate) fn heard_since(&self, node: NetId) -> Option<Time> {
        self.nodes.get(&place(node)).map(|heard| heard.since)
    }

    pub(crate) fn contains(&self, node: NetId) -> bool {
        self.nodes.contains_key(&place(node))
    }

    /// The report of this set: salt, and the digest of each bucket.
    pub(crate) fn report(&self, salt: u64) -> Vec<u8> {
        let buckets = self.nodes.len().div_ceil(BUCKET_NODES).next_power_of_two();
        let log_buckets = buckets.ilog2().min(MAX_LOG_BUCKETS);
        let mut report = salt.to_be_bytes().to_vec();
        for bucket in 0..1_u64 << log_buckets {
            report.extend_from_slice(&self.digest(salt, log_buckets, bucket));
        }
        report
    }

    /// Whether the sender of a report hears the nodes of a bucket that this node hears.
    pub(crate) fn agrees(&self, node: NetId, report: &BucketReport) -> bool {
        let bucket = bucket_of(place(node), report.log_buckets);
        self.digest(report.salt, report.log_buckets, bucket) == report.digest
    }

    fn digest(&self, salt: u64, log_buckets: u32, bucket: u64) -> [u8; DIGEST_BYTES] {
        let shift = 64 - log_buckets;
        let first = bucket.checked_shl(shift).unwrap_or(0);
        let last = first | (u64::MAX >> log_buckets);
        let mut hash = mix(salt);
        for (place, heard) in self.nodes.range(first..=last) {
            hash = step(step(hash, *place), u64::from_be_bytes(heard.frame.epoch));
        }
        let [.., a, b, c, d, e, f] = hash.to_be_bytes();
        [a, b, c, d, e, f]
    }
}

impl BucketReport {
    /// Reads the part of a report that concerns `node`; `None` if it has another form.
    pub(crate) fn read(report: &[u8], node: NetId) -> Option<BucketReport> {
        let (salt, digests) = report.split_first_chunk::<SALT_BYTES>()?;
        let (digests, rest) = digests.as_chunks::<DIGEST_BYTES>();
        let is_report = rest.is_empty() && digests.len().is_power_of_two();
        let log_buckets = is_report.then(|| digests.len().ilog2())?;
        let bucket = usize::try_from(bucket_of(place(node), log_buckets)).ok()?;
        Some(BucketReport { salt: u64::from_be_bytes(*salt), log_buckets, digest: *digests.get(bucket)? })
    }
}

fn bucket_of(place: u64, log_buckets: u32) -> u64 {
    place.checked_shr(64 - log_buckets).unwrap_or(0)
}

/// The hash of a node, whose highest bits are its bucket.
fn place(node: NetId) -> u64 {
    let port = u64::from(node.port());
    match node.ip() {
        IpAddr::V4(ip) => step(step(1, 4 << 16 | port), ip.to_bits().into()),
        IpAddr::V6(ip) => {
            let [high, low] = halves(ip.to_bits());
            step(step(step(1, 6 << 16 | port), high), low)
        }
    }
}

/// The high and the low half.
#[allow(clippy::cast_possible_truncation)] // On purpose.
fn halves(bits: u128) -> [u64; 2] {
    [(bits >> 64) as u64, bits as u64]
}

/// The finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const fn step(hash: u64, word: u64) -> u64 {
    mix(hash.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u16) -> NetId {
        format!("10.0.{}.{}:7", number >> 8, number & 255).parse().unwrap()
    }

    fn set(nodes: impl Iterator<Item = u16>) -> HeardNodes {
        let mut set = HeardNodes::default();
        for number in nodes {
            set.note(
                Time::ZERO,
                node(number),
                HeardFrame { epoch: u64::from(number).to_be_bytes(), counter: 0 },
            );
        }
        set
    }

    #[test]
    fn equal_sets_agree_in_every_bucket() {
        for size in [1, 2, 5, 40, 128, 700] {
            let (one, other) = (set(0..size), set((0..size).rev()));
            let report = one.report(17);
            assert!(report.len() <= 8 + 6 * 128);
            for number in 0..size {
                let read = BucketReport::read(&report, node(number)).unwrap();
                assert!(other.agrees(node(number), &read), "{number} of {size}");
            }
        }
    }

    #[test]
    fn a_missing_node_or_another_epoch_concerns_its_bucket() {
        let (all, mut other) = (set(0..128), set(0..127));
        let disagree = |one: &HeardNodes, other: &HeardNodes| {
            let report = one.report(3);
            let read = |number: &u16| BucketReport::read(&report, node(*number)).unwrap();
            (0..128).filter(|number| !other.agrees(node(*number), &read(number))).count()
        };
        assert!((1..20).contains(&disagree(&all, &other)));
        assert!(!all.agrees(node(127), &BucketReport::read(&other.report(3), node(127)).unwrap()));
        other.note(Time::ZERO, node(127), HeardFrame { epoch: [9; 8], counter: 0 });
        assert!((1..20).contains(&disagree(&all, &other)));
        other.remove(node(127));
        other.note(Time::ZERO, node(127), HeardFrame { epoch: 127_u64.to_be_bytes(), counter: 5 });
        assert_eq!(disagree(&all, &other), 0, "counters do not matter");
    }

    #[test]
    fn the_salt_changes_every_digest() {
        let all = set(0..64);
        let (one, other) = (all.report(1), all.report(2));
        assert!(one[8..].chunks(6).zip(other[8..].chunks(6)).all(|(one, other)| one != other));
    }

    #[test]
    fn malformed_reports_say_nothing() {
        for length in [0, 7, 8, 9, 13, 8 + 18, 8 + 11] {
            assert_eq!(BucketReport::read(&vec![0; length], node(1)), None, "{length}");
        }
    }
}
