//! The body of a payload: one variant for each message of the protocol, with its tag.

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

/// The body of a payload, by its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Records, increments and evictions of one group. Tag 1.
    GroupUpdate(GroupUpdate),
    /// An application's own payload. Tag 2.
    Application(ApplicationPayload),
    /// No body. A broadcast without body announces content that was multicast (IHAVE in Plumtree,
    /// Leitão et al. 2007). A direct payload without body keeps multicast state alive. Tag 3.
    HeaderOnly,
    /// Known peers and their islands. Tag 4.
    PeerExchange(PeerExchange),
    /// Acknowledgement of a broadcast. Tag 5.
    Ack(Ack),
    /// Request for missed multicasts. Tag 6.
    Nack(Nack),
    /// A requested multicast, sent again. Tag 7.
    Retransmission(Retransmission),
    /// Hash over all shared groups. Tag 8.
    Root(Root),
    /// Fingerprints of groups, and contacts of groups. Tag 9.
    Fingerprints(Fingerprints),
    /// Hashes of buckets within a group. Tag 10.
    Buckets(Buckets),
    /// Versions of members' records. Tag 11.
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
    /// Names of the tags from 1 on, for the trace.
    pub(super) const NAMES: [&str; 12] = [
        "group update",
        "application",
        "header only",
        "peer exchange",
        "ack",
        "nack",
        "retransmission",
        "root",
        "fingerprints",
        "buckets",
        "versions",
        "record requests",
    ];
}

/// Whether a body with this tag is allowed in direct payloads only.
const fn must_be_direct(tag: u64) -> bool {
    tag > tag::HEADER_ONLY
}

impl Body {
    /// The state of a group, or a part of it, as whole records.
    pub fn from_state(state: &GroupState) -> Body {
        let updates = state.records().cloned().map(MemberUpdate::Record).collect();
        Body::GroupUpdate(GroupUpdate { name: state.name().clone(), updates })
    }

    /// The tag, 1 to 12.
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

    /// Whether this body is allowed in direct payloads only. That holds for all but group updates,
    /// applications' payloads and header-only payloads.
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
            Body::Ack(ack) => ack.check(),
            Body::Nack(nack) => nack.check(limits),
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
            Body::Ack(ack) => ack.collect_nodes(nodes),
            Body::Nack(nack) => nack.collect_nodes(nodes),
            Body::Retransmission(retransmission) => nodes.push(retransmission.node),
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
            Body::Ack(ack) => ack.encode(table, out),
            Body::Nack(nack) => nack.encode(table, out),
            Body::Retransmission(retransmission) => retransmission.encode(table, out),
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
