//! What a payload says, by its tag. Knows nothing of how it is used.

use gm_clock::NetId;
use gm_data::GroupState;

use super::reader::Reader;
use super::table::Table;
use super::table_refs::TableRefs;
use super::trace::Trace;
use super::{
    Ack, ApplicationPayload, Buckets, Fingerprints, GroupUpdate, MemberUpdate, Nack, PayloadError,
    PeerExchange, RecordRequests, Retransmission, Root, Versions,
};
use crate::Limits;
use crate::varint;

/// What a payload says, by its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Records and increments of one group. Tag 1.
    GroupUpdate(GroupUpdate),
    /// Something of an application's own. Tag 2.
    Application(ApplicationPayload),
    /// Nothing but the header: what it names was multicast. Tag 3.
    HeaderOnly,
    /// Who else there is. Tag 4.
    PeerExchange(PeerExchange),
    /// Who has got a broadcast. Tag 5.
    Ack(Ack),
    /// Which multicasts are missed. Tag 6.
    Nack(Nack),
    /// A multicast that somebody missed. Tag 7.
    Retransmission(Retransmission),
    /// The fingerprint of all groups. Tag 8.
    Root(Root),
    /// Fingerprints, group by group. Tag 9.
    Fingerprints(Fingerprints),
    /// Fingerprints within a group. Tag 10.
    Buckets(Buckets),
    /// Versions of members. Tag 11.
    Versions(Versions),
    /// Requests for members' records. Tag 12.
    RecordRequests(RecordRequests),
}

mod tag {
    pub(super) const GROUP_UPDATE: u64 = 1;
    pub(super) const APPLICATION: u64 = 2;
    pub(super) const HEADER_ONLY: u64 = 3;
    pub(super) const PEER_EXCHANGE: u64 = 4;
    pub(super) const ACK: u64 = 5;
    pub(super) const NACK: u64 = 6;
    pub(super) const RETRANSMISSION: u64 = 7;
    pub(super) const ROOT: u64 = 8;
    pub(super) const FINGERPRINTS: u64 = 9;
    pub(super) const BUCKETS: u64 = 10;
    pub(super) const VERSIONS: u64 = 11;
    pub(super) const RECORD_REQUESTS: u64 = 12;
    /// What the tags from 1 on say, for a human.
    pub(super) const NAMES: [&str; 12] = [
        "group",
        "application",
        "notice",
        "peers",
        "receipt",
        "gaps",
        "repeat",
        "root",
        "fingerprints",
        "buckets",
        "versions",
        "requests",
    ];
}

/// Whether a body of that tag is for the receiver alone.
const fn must_be_direct(tag: u64) -> bool {
    tag > tag::HEADER_ONLY
}

impl Body {
    /// The state of a group, or a part of it, as whole records.
    pub fn from_state(message: &GroupState) -> Body {
        let parts = message.records().cloned().map(MemberUpdate::Record).collect();
        Body::GroupUpdate(GroupUpdate { name: message.name().clone(), updates: parts })
    }

    /// Its tag, 1 to 12.
    pub const fn tag(&self) -> u64 {
        match self {
            Body::GroupUpdate(_) => tag::GROUP_UPDATE,
            Body::Application(_) => tag::APPLICATION,
            Body::HeaderOnly => tag::HEADER_ONLY,
            Body::PeerExchange(_) => tag::PEER_EXCHANGE,
            Body::Ack(_) => tag::ACK,
            Body::Nack(_) => tag::NACK,
            Body::Retransmission(_) => tag::RETRANSMISSION,
            Body::Root(_) => tag::ROOT,
            Body::Fingerprints(_) => tag::FINGERPRINTS,
            Body::Buckets(_) => tag::BUCKETS,
            Body::Versions(_) => tag::VERSIONS,
            Body::RecordRequests(_) => tag::RECORD_REQUESTS,
        }
    }

    /// Whether it is for the receiver alone, and so cannot be a broadcast: all but groups,
    /// applications' own and notices.
    pub const fn must_be_direct(&self) -> bool {
        must_be_direct(self.tag())
    }

    pub(super) fn check(&self, direct: bool, limits: &Limits) -> Result<(), PayloadError> {
        if self.must_be_direct() && !direct {
            return Err(PayloadError::NotDirect { tag: self.tag() });
        }
        match self {
            Body::GroupUpdate(group) => group.check(limits),
            Body::Application(application) => application.check(),
            Body::PeerExchange(peers) => peers.check(limits),
            Body::Ack(receipt) => receipt.check(),
            Body::Nack(gaps) => gaps.check(limits),
            Body::HeaderOnly | Body::Retransmission(_) | Body::Root(_) => Ok(()),
            Body::Fingerprints(fingerprints) => fingerprints.check(limits),
            Body::Buckets(buckets) => buckets.check(limits),
            Body::Versions(versions) => versions.check(limits),
            Body::RecordRequests(requests) => requests.check(limits),
        }
    }

    pub(super) fn collect_nodes(&self, nodes: &mut Vec<NetId>) {
        match self {
            Body::GroupUpdate(group) => nodes.extend(group.updates.iter().map(MemberUpdate::member)),
            Body::Application(_) | Body::HeaderOnly | Body::Root(_) | Body::Buckets(_) => {}
            Body::PeerExchange(peers) => peers.collect_nodes(nodes),
            Body::Ack(receipt) => receipt.collect_nodes(nodes),
            Body::Nack(gaps) => gaps.collect_nodes(nodes),
            Body::Retransmission(repeat) => nodes.push(repeat.node),
            Body::Fingerprints(fingerprints) => fingerprints.collect_nodes(nodes),
            Body::Versions(versions) => versions.collect_nodes(nodes),
            Body::RecordRequests(requests) => requests.collect_nodes(nodes),
        }
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        varint::write(self.tag(), out);
        match self {
            Body::GroupUpdate(group) => group.encode(table, out),
            Body::Application(application) => application.encode(out),
            Body::HeaderOnly => {}
            Body::PeerExchange(peers) => peers.encode(table, out),
            Body::Ack(receipt) => receipt.encode(table, out),
            Body::Nack(gaps) => gaps.encode(table, out),
            Body::Retransmission(repeat) => repeat.encode(table, out),
            Body::Root(root) => root.encode(out),
            Body::Fingerprints(fingerprints) => fingerprints.encode(table, out),
            Body::Buckets(buckets) => buckets.encode(out),
            Body::Versions(versions) => versions.encode(table, out),
            Body::RecordRequests(requests) => requests.encode(table, out),
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut TableRefs<'_>,
        direct: bool,
        limits: &Limits,
    ) -> Result<Body, PayloadError> {
        let tag = reader.varint_as("tag", |tag| {
            let name = usize::try_from(tag).ok().and_then(|tag| tag::NAMES.get(tag.checked_sub(1)?));
            format!("{tag}, {}", name.unwrap_or(&"unknown"))
        })?;
        if (1..=tag::RECORD_REQUESTS).contains(&tag) && must_be_direct(tag) && !direct {
            return Err(PayloadError::NotDirect { tag });
        }
        Ok(match tag {
            tag::GROUP_UPDATE => Body::GroupUpdate(GroupUpdate::decode(reader, refs, limits)?),
            tag::APPLICATION => Body::Application(ApplicationPayload::decode(reader)?),
            tag::HEADER_ONLY => Body::HeaderOnly,
            tag::PEER_EXCHANGE => Body::PeerExchange(PeerExchange::decode(reader, refs, limits)?),
            tag::ACK => Body::Ack(Ack::decode(reader, refs)?),
            tag::NACK => Body::Nack(Nack::decode(reader, refs, limits)?),
            tag::RETRANSMISSION => Body::Retransmission(Retransmission::decode(reader, refs)?),
            tag::ROOT => Body::Root(Root::decode(reader)?),
            tag::FINGERPRINTS => Body::Fingerprints(Fingerprints::decode(reader, refs, limits)?),
            tag::BUCKETS => Body::Buckets(Buckets::decode(reader, limits)?),
            tag::VERSIONS => Body::Versions(Versions::decode(reader, refs, limits)?),
            tag::RECORD_REQUESTS => Body::RecordRequests(RecordRequests::decode(reader, refs, limits)?),
            tag => return Err(PayloadError::UnknownTag { tag }),
        })
    }
}
