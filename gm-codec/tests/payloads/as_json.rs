//! The content of a payload as JSON, with the keys of the vectors. Numbers that may exceed 2^53 are
//! decimal strings.

use gm_clock::NetId;
use gm_codec::{
    Ack, AckStatus, Body, GroupEntry, Header, KnownVersion, MemberUpdate, ParentBucket, Payload, Routing,
};
use gm_data::{Eviction, GroupName, Predecessor, StampedItem, Version};
use serde_json::{Value, json};

use super::hex;

/// Explanation of the vectors for other implementations.
pub(crate) const NOTE: &str = "`bytes` are whole payloads in hex. Numbers that may be above 2^53 are decimal texts; epochs, \
    digests, fingerprints and bytes that mean nothing here are hex. What is not there is null. Nodes, islands, groups and the \
    like stand in the order of the wire. `what` says why a payload was written by hand; the others are generated. \
    Header: a direct one has `direct` true and `sequence` null; `receipts` is null or {within_millis, durable, again}; a \
    section is [kind, bytes]. Body, by tag: 1 {group, parts}, an item being [op, start, end, port, priority, time], \
    `least` and `greatest` of an eviction [incarnation, gone, clock]; \
    2 {application, bytes}; 3 {notice: {}}; 4 {peers: {wanted, islands: [[label, nodes]], others}}; \
    5 {receipt: {origin, epoch, sequence, answer}}, answer being `have`, `send me`, `accepted` or {final, again, delivered, refused, \
    missing, names}; 6 {gaps: [{node, epoch, runs: [[first, last]]}]}, both ends missed; 7 {repeat: {node, epoch, number, \
    payload}}; 8 {root: {answer, root}}; 9 {fingerprints: {answer, after, until, groups: [[name, {held: fingerprint} or \
    {known: member}]]}}; 10 {buckets: {group, level, parents: [[index, sixteen fingerprints of children, null of an empty \
    one]]}}; 11 {versions: {group, digests, buckets: null or [level, indexes], versions: [[member, null or {incarnation, gone, \
    clock, digest}]]}}; 12 {requests: {group, requests: [[member, null or [incarnation, clock]]]}}.";

fn texts(nodes: &[NetId]) -> Vec<String> {
    nodes.iter().map(ToString::to_string).collect()
}

/// The payload as JSON.
pub(crate) fn as_json(payload: &Payload) -> Value {
    json!({ "header": header(&payload.header), "body": body(&payload.body) })
}

fn header(header: &Header) -> Value {
    let Header {
        sender,
        routing: kind,
        multicast_sequence: multicast,
        island,
        neighbors_gained,
        neighbors_lost,
        extensions,
    } = header;
    let extensions: Vec<Value> = extensions
        .iter()
        .map(|extension| json!([extension.kind.to_string(), hex(&extension.bytes)]))
        .collect();
    let mut value = json!({
        "sender": sender.to_string(),
        "direct": *kind == Routing::Direct,
        "origin": null, "sequence": null, "list": [], "receipts": null,
        "multicast": multicast.map(|number| number.to_string()),
        "island": island.map(|island| island.to_string()),
        "heard": texts(neighbors_gained), "lost": texts(neighbors_lost), "sections": extensions,
    });
    if let Routing::Broadcast(broadcast) = kind {
        value["origin"] = broadcast
            .origin
            .map(|origin| json!({ "node": origin.node.to_string(), "epoch": hex(&origin.epoch) }))
            .unwrap_or_default();
        value["sequence"] = json!(broadcast.sequence.to_string());
        value["list"] = json!(texts(&broadcast.targets));
        value["receipts"] = broadcast
            .ack_request
            .map(|ack_request| {
                let within = ack_request.within_millis;
                json!({ "within_millis": within, "durable": ack_request.durable, "again": ack_request.reassigned })
            })
            .unwrap_or_default();
    }
    value
}

fn body(body: &Body) -> Value {
    match body {
        Body::GroupUpdate(group) => json!({
            "group": group.name.as_str(), "parts": group.updates.iter().map(update).collect::<Vec<_>>(),
        }),
        Body::Application(application) => {
            json!({ "application": application.name, "bytes": hex(&application.bytes) })
        }
        Body::HeaderOnly => json!({ "notice": {} }),
        Body::PeerExchange(peers) => {
            let islands: Vec<Value> = peers
                .islands
                .iter()
                .map(|island| json!([island.id.to_string(), texts(&island.nodes)]))
                .collect();
            json!({ "peers": { "wanted": peers.reply_requested, "islands": islands, "others": texts(&peers.without_island) } })
        }
        Body::Ack(message) => json!({ "receipt": ack(message) }),
        Body::Nack(nack) => {
            let nodes = nack.missed.iter().map(|missed| {
                let runs =
                    missed.runs.iter().map(|(first, last)| json!([first.to_string(), last.to_string()]));
                let runs: Vec<Value> = runs.collect();
                json!({ "node": missed.node.to_string(), "epoch": hex(&missed.epoch), "runs": runs })
            });
            json!({ "gaps": nodes.collect::<Vec<_>>() })
        }
        Body::Retransmission(retransmission) => json!({ "repeat": {
            "node": retransmission.node.to_string(), "epoch": hex(&retransmission.epoch),
            "number": retransmission.multicast_sequence.to_string(), "payload": hex(&retransmission.payload),
        }}),
        Body::Root(root) => {
            json!({ "root": { "answer": root.answer, "root": format!("{:032x}", root.root) } })
        }
        Body::Fingerprints(_) | Body::Buckets(_) | Body::Versions(_) | Body::RecordRequests(_) => {
            of_sync(body)
        }
    }
}

fn ack(ack: &Ack) -> Value {
    let answer = match &ack.status {
        AckStatus::Received => json!("have"),
        AckStatus::ContentWanted => json!("send me"),
        AckStatus::Accepted => json!("accepted"),
        AckStatus::Summary(summary) => json!({
            "final": summary.is_final, "again": summary.reassigned, "delivered": summary.delivered.to_string(),
            "refused": summary.refused.to_string(), "missing": summary.missing.to_string(), "names": texts(&summary.missing_sample),
        }),
    };
    let broadcast = ack.broadcast;
    json!({
        "origin": broadcast.origin.to_string(), "epoch": hex(&broadcast.epoch), "sequence": broadcast.sequence.to_string(),
        "answer": answer,
    })
}

fn of_sync(body: &Body) -> Value {
    match body {
        Body::Fingerprints(message) => {
            let groups = message.groups.iter().map(|(name, holding)| match holding {
                GroupEntry::Hosted(fingerprint) => {
                    json!([name.as_str(), { "held": format!("{fingerprint:032x}") }])
                }
                GroupEntry::Contact(member) => json!([name.as_str(), { "known": member.to_string() }]),
            });
            json!({ "fingerprints": {
                "answer": message.answer, "groups": groups.collect::<Vec<_>>(),
                "after": message.after.as_ref().map(GroupName::as_str),
                "until": message.until.as_ref().map(GroupName::as_str),
            }})
        }
        Body::Buckets(message) => {
            let parent = |ParentBucket { index, children }: &ParentBucket| {
                let children = children.map(|child| child.map(|fingerprint| format!("{fingerprint:016x}")));
                json!([index.to_string(), children])
            };
            let parents: Vec<Value> = message.parents.iter().map(parent).collect();
            json!({ "buckets": { "group": message.name.as_str(), "level": message.level, "parents": parents } })
        }
        Body::Versions(message) => {
            let known = |KnownVersion { version, digest }: &KnownVersion| {
                json!({
                    "incarnation": version.incarnation.get().to_string(), "gone": version.forgotten,
                    "clock": version.clock.to_string(), "digest": digest.map(|digest| format!("{digest:016x}")),
                })
            };
            let versions = message.versions.iter();
            let versions =
                versions.map(|(member, message)| json!([member.to_string(), message.as_ref().map(known)]));
            let buckets = message.buckets.as_ref().map(|(level, indexes)| {
                json!([level, indexes.iter().map(ToString::to_string).collect::<Vec<_>>()])
            });
            json!({ "versions": {
                "group": message.name.as_str(), "digests": message.digests, "buckets": buckets,
                "versions": versions.collect::<Vec<_>>(),
            }})
        }
        Body::RecordRequests(message) => {
            let requests = message.requests.iter().map(|(member, known)| {
                let known = known
                    .map(|(incarnation, clock)| json!([incarnation.get().to_string(), clock.to_string()]));
                json!([member.to_string(), known])
            });
            let requests: Vec<Value> = requests.collect();
            json!({ "requests": { "group": message.name.as_str(), "requests": requests } })
        }
        _ => unreachable!("the others are handled above"),
    }
}

fn update(update: &MemberUpdate) -> Value {
    let opened = |opened: Option<Predecessor>| {
        opened.map(|opened| json!([opened.incarnation.get().to_string(), opened.clock.to_string()]))
    };
    match update {
        MemberUpdate::Record(record) => json!({
            "record": record.member().to_string(),
            "incarnation": record.version().incarnation.get().to_string(),
            "gone": record.version().forgotten,
            "clock": record.version().clock.to_string(),
            "opened": opened(record.predecessor()),
            "floor": record.floor().to_string(),
            "items": record.stamped_items().map(item).collect::<Vec<_>>(),
        }),
        MemberUpdate::Increment(increment) => json!({
            "increment": increment.member().to_string(),
            "incarnation": increment.version_digest().version.incarnation.get().to_string(),
            "opened": opened(increment.predecessor()),
            "since": increment.span().0.to_string(),
            "upto": increment.span().1.to_string(),
            "digest": format!("{:016x}", increment.version_digest().digest),
            "items": increment.items().map(item).collect::<Vec<_>>(),
        }),
        MemberUpdate::Eviction(Eviction { member, least, greatest }) => {
            let version = |version: &Version| {
                json!([version.incarnation.get().to_string(), version.forgotten, version.clock.to_string()])
            };
            json!({ "eviction": member.to_string(), "least": version(least), "greatest": version(greatest) })
        }
    }
}

fn item(timed: StampedItem) -> Value {
    let (item, range) = (timed.item, timed.item.range());
    let op = item.op().to_string();
    json!([op, range.start(), range.end(), item.port(), item.priority(), timed.stamp.to_string()])
}
