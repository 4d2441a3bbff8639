//! Hashes of items, records and groups: digests, fingerprints and roots, which form a Merkle tree
//! (Merkle 1987).
//!
//! Every implementation must compute the same numbers. Therefore they use only operations that
//! every language has, such as multiplication and exclusive or modulo 2^64, and
//! `vectors/hashes.json` has examples:
//!
//! ```text
//! mix(x)      the finalizer of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014; constants: Stafford's
//!             "Mix13"): x ^= x >> 30; x *= 0xbf58476d1ce4e5b9; x ^= x >> 27;
//!             x *= 0x94d049bb133111eb; x ^= x >> 31
//! step(h, w)  mix((h + 0x9e3779b97f4a7c15) ^ w)
//! H0(m)       IPv4: step(step(1, 4 << 16 | port), address)
//!             IPv6: step(step(step(1, 6 << 16 | port), high 64 bits of the address), low 64 bits)
//! H(item)     step(step(step(H0(member), start << 32 | end),
//!             op << 32 | port << 16 | priority), stamp)
//! digest      the sum of H over a member's live items, mod 2^64
//! H'(record)  two halves of 128 bits, high first, with t = 2 and t = 3:
//!             step(step(step(step(t, H0(member)), incarnation), gone << 63 | clock), digest)
//!             gone = 1 if the version is forgotten, else 0
//! fingerprint of a group: the sum of H' over its records, mod 2^128
//! root        the sum over groups that have a record, mod 2^128, of two halves, with t = 4 and
//!             t = 5: step(step(step(t, N), high half of the fingerprint), low half)
//!             N = bytes(6, name)
//! bytes(t, b) step over the bytes: first step(t, their number), then the bytes, eight at a time,
//!             little-endian, zero-padded
//! weight      of a member for a key, by which members of equal priority share the keys:
//!             step(step(7, H0(member)), key); the member with the greatest one is preferred
//!             (rendezvous hashing: Thaler and Ravishankar 1998)
//! place       of a member (its hash position), which assigns it to buckets: step(9, H0(member))
//! bucket      of level l, 0 to 16, and index i below 16^l: the records of the members whose places
//!             have i as their highest 4 l bits. Its fingerprint: the sum of H' over them, mod 2^64
//! key_of(b)   an application's key mapped to the key space: the high 32 bits of bytes(8, b)
//! ```
//!
//! `step` is a bijection in `w`, so two items of a member that differ in one word only never
//! collide. Unlike in a usual Merkle tree, an inner node is the sum of its leaves rather than a
//! hash of its children. Sums commute, so a changed item costs two hashes, whatever the size of the
//! group. The hashes protect against faults, not against a holder of the cluster's key, which can
//! write any record anyway.

use core::net::IpAddr;

use gm_clock::NetId;

use crate::packed_item::PackedItem;
use crate::{GroupName, Version};

const fn mix(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const fn step(h: u64, w: u64) -> u64 {
    mix(h.wrapping_add(0x9e37_79b9_7f4a_7c15) ^ w)
}

/// H0, the hash of a member, with which the hashes of its items begin.
#[allow(clippy::cast_possible_truncation)] // Halves of a u128, on purpose.
pub(crate) fn member_hash(member: NetId) -> u64 {
    let port = u64::from(member.port());
    match member.ip() {
        IpAddr::V4(ip) => step(step(1, 4 << 16 | port), u64::from(ip.to_bits())),
        IpAddr::V6(ip) => {
            let bits = ip.to_bits();
            step(step(step(1, 6 << 16 | port), (bits >> 64) as u64), bits as u64)
        }
    }
}

/// The item's summand of its member's digest: H(item) if it is live, else 0. `seed` is H0 of the
/// member.
#[inline]
pub(crate) fn item_hash(seed: u64, packed: PackedItem) -> u64 {
    let [range, content, stamp] = packed.hash_words();
    finish_item_hash(step(seed, range), packed, [content, stamp])
}

/// The change of the digest when an item replaces another of the same range. The two hashes share
/// the first of three steps.
#[inline]
pub(crate) fn digest_change(seed: u64, old: Option<PackedItem>, new: PackedItem) -> u64 {
    let [range, content, stamp] = new.hash_words();
    let begun = step(seed, range);
    let was = old.map_or(0, |old| {
        let [_, content, stamp] = old.hash_words();
        finish_item_hash(begun, old, [content, stamp])
    });
    finish_item_hash(begun, new, [content, stamp]).wrapping_sub(was)
}

#[inline]
fn finish_item_hash(begun: u64, packed: PackedItem, [content, stamp]: [u64; 2]) -> u64 {
    if packed.is_live() { step(step(begun, content), stamp) } else { 0 }
}

/// H', the record's summand of its group's fingerprint. `seed` is H0 of the member.
pub(crate) fn record_hash(seed: u64, version: Version, digest: u64) -> u128 {
    let clock = u64::from(version.forgotten) << 63 | version.clock;
    halves(2, [seed, version.incarnation.get(), clock, digest])
}

/// The group's summand of the root. A group without records adds nothing, because its fingerprint
/// is 0.
#[allow(clippy::cast_possible_truncation)] // Halves of a u128, on purpose.
pub(crate) fn group_hash(name: &GroupName, fingerprint: u128) -> u128 {
    if fingerprint == 0 {
        return 0;
    }
    let name = bytes(6, name.as_str().as_bytes());
    halves(4, [name, (fingerprint >> 64) as u64, fingerprint as u64])
}

/// The rendezvous weight of a member for a key (highest random weight hashing, Thaler and
/// Ravishankar 1998). Among members of equal priority, the one with the greatest weight is
/// preferred. Equal in all implementations: `hash.rs` specifies it.
pub fn rendezvous_weight(key: u32, of: NetId) -> u64 {
    step(step(7, member_hash(of)), u64::from(key))
}

/// The hash position of a member, which assigns it to buckets. Positions are evenly distributed
/// over all 64-bit numbers. Equal in all implementations: `hash.rs` specifies it.
pub fn hash_position(of: NetId) -> u64 {
    hash_position_of(member_hash(of))
}

/// The hash position of the member whose H0 is `seed`.
pub(crate) const fn hash_position_of(seed: u64) -> u64 {
    step(9, seed)
}

/// Maps an application's key to a key of the 32-bit key space. Equal in all implementations:
/// `hash.rs` specifies it.
///
/// The results are evenly distributed. The hash does not protect against keys that were chosen to
/// collide.
#[allow(clippy::cast_possible_truncation)] // The high half of a u64, on purpose.
pub fn key_of(key: &[u8]) -> u32 {
    (bytes(8, key) >> 32) as u32
}

fn bytes(tag: u64, bytes: &[u8]) -> u64 {
    bytes.chunks(8).fold(step(tag, bytes.len() as u64), |h, chunk| {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        step(h, u64::from_le_bytes(word))
    })
}

fn halves<const N: usize>(tag: u64, words: [u64; N]) -> u128 {
    let half = |tag| u128::from(words.into_iter().fold(tag, step));
    half(tag) << 64 | half(tag + 1)
}
