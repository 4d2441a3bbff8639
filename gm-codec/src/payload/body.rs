//! What a payload says, by its tag. Knows nothing of how it is used.

use gm_clock::NetId;
use gm_data::GroupState;

use super::read::Reader;
use super::refs::Refs;
use super::table::Table;
use super::trace::Trace;
use super::{
    Application, Buckets, Fingerprints, Gaps, Group, Part, PayloadError, Peers, Receipt, Repeat, Requests,
    Root, Versions,
};
use crate::Limits;
use crate::varint;

/// What a payload says, by its tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Records and increments of one group. Tag 1.
    Group(Group),
    /// Something of an application's own. Tag 2.
    Application(Application),
    /// Nothing but the header: what it names was multicast. Tag 3.
    Notice,
    /// Who else there is. Tag 4.
    Peers(Peers),
    /// Who has got a broadcast. Tag 5.
    Receipt(Receipt),
    /// Which multicasts are missed. Tag 6.
    Gaps(Gaps),
    /// A multicast that somebody missed. Tag 7.
    Repeat(Repeat),
    /// The fingerprint of all groups. Tag 8.
    Root(Root),
    /// Fingerprints, group by group. Tag 9.
    Fingerprints(Fingerprints),
    /// Fingerprints within a group. Tag 10.
    Buckets(Buckets),
    /// Versions of members. Tag 11.
    Versions(Versions),
    /// Requests for members' records. Tag 12.
    Requests(Requests),
}

mod tag {
    pub(super) const GROUP: u64 = 1;
    pub(super) const APPLICATION: u64 = 2;
    pub(super) const NOTICE: u64 = 3;
    pub(super) const PEERS: u64 = 4;
    pub(super) const RECEIPT: u64 = 5;
    pub(super) const GAPS: u64 = 6;
    pub(super) const REPEAT: u64 = 7;
    pub(super) const ROOT: u64 = 8;
    pub(super) const FINGERPRINTS: u64 = 9;
    pub(super) const BUCKETS: u64 = 10;
    pub(super) const VERSIONS: u64 = 11;
    pub(super) const REQUESTS: u64 = 12;
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
    tag > tag::NOTICE
}

impl Body {
    /// The state of a group, or a part of it, as whole records.
    pub fn state(message: &GroupState) -> Body {
        let parts = message.records().cloned().map(Part::Record).collect();
        Body::Group(Group { name: message.name().clone(), parts })
    }

    /// Its tag, 1 to 12.
    pub const fn tag(&self) -> u64 {
        match self {
            Body::Group(_) => tag::GROUP,
            Body::Application(_) => tag::APPLICATION,
            Body::Notice => tag::NOTICE,
            Body::Peers(_) => tag::PEERS,
            Body::Receipt(_) => tag::RECEIPT,
            Body::Gaps(_) => tag::GAPS,
            Body::Repeat(_) => tag::REPEAT,
            Body::Root(_) => tag::ROOT,
            Body::Fingerprints(_) => tag::FINGERPRINTS,
            Body::Buckets(_) => tag::BUCKETS,
            Body::Versions(_) => tag::VERSIONS,
            Body::Requests(_) => tag::REQUESTS,
        }
    }

    /// Whether it is for the receiver alone, and so cannot be a broadcast: all but groups, applications' own and notices.
    pub const fn must_be_direct(&self) -> bool {
        must_be_direct(self.tag())
    }

    pub(super) fn check(&self, direct: bool, limits: &Limits) -> Result<(), PayloadError> {
        if self.must_be_direct() && !direct {
            return Err(PayloadError::NotDirect { tag: self.tag() });
        }
        match self {
            Body::Group(group) => group.check(limits),
            Body::Application(application) => application.check(),
            Body::Peers(peers) => peers.check(limits),
            Body::Receipt(receipt) => receipt.check(),
            Body::Gaps(gaps) => gaps.check(limits),
            Body::Notice | Body::Repeat(_) | Body::Root(_) => Ok(()),
            Body::Fingerprints(fingerprints) => fingerprints.check(limits),
            Body::Buckets(buckets) => buckets.check(limits),
            Body::Versions(versions) => versions.check(limits),
            Body::Requests(requests) => requests.check(limits),
        }
    }

    pub(super) fn name_all(&self, named: &mut Vec<NetId>) {
        match self {
            Body::Group(group) => named.extend(group.parts.iter().map(Part::member)),
            Body::Application(_) | Body::Notice | Body::Root(_) | Body::Buckets(_) => {}
            Body::Peers(peers) => peers.name_all(named),
            Body::Receipt(receipt) => receipt.name_all(named),
            Body::Gaps(gaps) => gaps.name_all(named),
            Body::Repeat(repeat) => named.push(repeat.node),
            Body::Fingerprints(fingerprints) => fingerprints.name_all(named),
            Body::Versions(versions) => versions.name_all(named),
            Body::Requests(requests) => requests.name_all(named),
        }
    }

    pub(super) fn encode(&self, table: &Table, out: &mut Vec<u8>) {
        varint::write(self.tag(), out);
        match self {
            Body::Group(group) => group.encode(table, out),
            Body::Application(application) => application.encode(out),
            Body::Notice => {}
            Body::Peers(peers) => peers.encode(table, out),
            Body::Receipt(receipt) => receipt.encode(table, out),
            Body::Gaps(gaps) => gaps.encode(table, out),
            Body::Repeat(repeat) => repeat.encode(table, out),
            Body::Root(root) => root.encode(out),
            Body::Fingerprints(fingerprints) => fingerprints.encode(table, out),
            Body::Buckets(buckets) => buckets.encode(out),
            Body::Versions(versions) => versions.encode(table, out),
            Body::Requests(requests) => requests.encode(table, out),
        }
    }

    pub(super) fn decode<T: Trace>(
        reader: &mut Reader<'_, T>,
        refs: &mut Refs<'_>,
        direct: bool,
        limits: &Limits,
    ) -> Result<Body, PayloadError> {
        let tag = reader.varint_as("tag", |tag| {
            let name = usize::try_from(tag).ok().and_then(|tag| tag::NAMES.get(tag.checked_sub(1)?));
            format!("{tag}, {}", name.unwrap_or(&"unknown"))
        })?;
        if (1..=tag::REQUESTS).contains(&tag) && must_be_direct(tag) && !direct {
            return Err(PayloadError::NotDirect { tag });
        }
        Ok(match tag {
            tag::GROUP => Body::Group(Group::decode(reader, refs, limits)?),
            tag::APPLICATION => Body::Application(Application::decode(reader)?),
            tag::NOTICE => Body::Notice,
            tag::PEERS => Body::Peers(Peers::decode(reader, refs, limits)?),
            tag::RECEIPT => Body::Receipt(Receipt::decode(reader, refs)?),
            tag::GAPS => Body::Gaps(Gaps::decode(reader, refs, limits)?),
            tag::REPEAT => Body::Repeat(Repeat::decode(reader, refs)?),
            tag::ROOT => Body::Root(Root::decode(reader)?),
            tag::FINGERPRINTS => Body::Fingerprints(Fingerprints::decode(reader, refs, limits)?),
            tag::BUCKETS => Body::Buckets(Buckets::decode(reader, limits)?),
            tag::VERSIONS => Body::Versions(Versions::decode(reader, refs, limits)?),
            tag::REQUESTS => Body::Requests(Requests::decode(reader, refs, limits)?),
            tag => return Err(PayloadError::UnknownTag { tag }),
        })
    }
}
