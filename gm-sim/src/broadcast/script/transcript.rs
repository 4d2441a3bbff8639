//! Writes down what nodes say and hear, a line for each thing, in the order in which it happens.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use gm_broadcast::{BroadcastEvent, ConnectionId, DialFailure, Input};
use gm_codec::Channel;

use super::decoder::{DecodedBytes, FrameReader};
use super::names::NodeNames;
use crate::broadcast::node::SimBroadcaster;
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext, TrafficKind};

/// The lines since they were last taken.
#[derive(Debug)]
pub(super) struct Transcript {
    names: NodeNames,
    decoder: Option<FrameReader>,
    lines: String,
    /// Whom a node dialled or was dialled by, on which connection.
    peers: BTreeMap<(NodeIndex, ConnectionId), NodeIndex>,
}

impl Transcript {
    pub(super) fn new(names: NodeNames) -> Rc<RefCell<Transcript>> {
        let peers = BTreeMap::new();
        Rc::new(RefCell::new(Transcript {
            names,
            decoder: FrameReader::new().ok(),
            lines: String::new(),
            peers,
        }))
    }

    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.lines)
    }

    /// A line that is not of a time.
    pub(super) fn push_line(&mut self, text: String) {
        self.lines.push_str(&text);
        self.lines.push('\n');
    }

    fn push_event(&mut self, place: ObservationContext, text: &str) {
        let micros = place.at.as_nanos() / 1_000;
        let (millis, rest) = (micros / 1_000, micros % 1_000);
        let name = self.names.name(place.node);
        // A string takes everything.
        let _ = writeln!(self.lines, "{millis:>6}.{rest:03} {name} {text}");
    }

    fn sent(
        &mut self,
        place: ObservationContext,
        flow: TrafficKind,
        to: Option<NodeIndex>,
        link: Option<ConnectionId>,
        bytes: &[u8],
    ) {
        let Some(decoder) = &mut self.decoder else { return };
        let sight = match (flow, to, link) {
            (TrafficKind::Stream, Some(to), Some(link)) => {
                self.peers.insert((place.node, link), to);
                decoder.stream(place.node, to, link, bytes)
            }
            (TrafficKind::Stream, ..) => DecodedBytes::Unreadable,
            (TrafficKind::Datagram, Some(to), _) => {
                decoder.datagram(bytes, Channel::DatagramTo(self.names.id(to)))
            }
            _ => decoder.datagram(bytes, Channel::Datagram),
        };
        let to = to.map_or("?", |to| self.names.name(to));
        let arrow = match flow {
            TrafficKind::Multicast => "=> all".to_owned(),
            TrafficKind::Datagram => format!("~> {to}"),
            TrafficKind::Stream => format!("-> {to}"),
        };
        match sight {
            DecodedBytes::Opening => {}
            DecodedBytes::Payload(payload) => {
                let text = format!("{arrow}: {}", self.names.payload(&payload));
                self.push_event(place, &text);
            }
            DecodedBytes::Unreadable => {
                self.push_event(place, &format!("{arrow}: {} bytes that nobody can read", bytes.len()))
            }
        }
    }

    fn event(&mut self, place: ObservationContext, event: &BroadcastEvent) {
        let text = match event {
            BroadcastEvent::Started { .. } => return,
            BroadcastEvent::Rejected { why, .. } => format!("cannot say it: {why}"),
            BroadcastEvent::Acks { report, .. } => self.names.report(report),
            BroadcastEvent::NodeFound(node) => format!("finds {}", self.names.name_of_id(*node)),
            BroadcastEvent::Near(node) => format!("hears {}", self.names.name_of_id(*node)),
            BroadcastEvent::Far(node) => format!("hears {} no longer", self.names.name_of_id(*node)),
            BroadcastEvent::Island(Some(label)) => format!("is of island {}", self.names.name_of_id(*label)),
            BroadcastEvent::Island(None) => "is alone".to_owned(),
            BroadcastEvent::PersistRequested(_) => "is asked to store it".to_owned(),
            BroadcastEvent::IdentityClash => "meets itself".to_owned(),
            BroadcastEvent::Unopened(unopened) => {
                format!("cannot open frames of {}: {:?}", unopened.from, unopened.cause)
            }
            BroadcastEvent::DatagramReachability { node, lost: true } => {
                format!("loses datagrams to {}", self.names.name_of_id(*node))
            }
            BroadcastEvent::DatagramReachability { node, lost: false } => {
                format!("reaches {} by datagrams again", self.names.name_of_id(*node))
            }
            BroadcastEvent::Stalled(node) => {
                format!("sends small segments to {} from now on", self.names.name_of_id(*node))
            }
            BroadcastEvent::SeedTrouble { node, why } => {
                format!("does not reach its seed {}: {why:?}", self.names.name_of_id(*node))
            }
            BroadcastEvent::SeedReached(node) => format!("reaches its seed {}", self.names.name_of_id(*node)),
        };
        self.push_event(place, &text);
    }
}

impl Checker<SimBroadcaster> for Transcript {
    fn name(&self) -> &'static str {
        "transcript"
    }

    fn observe(
        &mut self,
        place: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        match seen {
            Observation::Sent { flow, to, link, bytes, .. } => self.sent(place, *flow, *to, *link, bytes),
            Observation::Dialled { to, .. } => {
                let text = format!("dials {}", self.names.name_of_id(*to));
                self.push_event(place, &text);
            }
            Observation::Closed { link } => {
                let to = self.peers.get(&(place.node, *link)).map_or("?", |to| self.names.name(*to));
                let text = format!("closes {to}");
                self.push_event(place, &text);
            }
            Observation::Input(Input::ConnectionRefused { refusal, .. }) => {
                let text = if *refusal == DialFailure::Refused { "is refused" } else { "is not answered" };
                self.push_event(place, text);
            }
            Observation::Input(Input::ConnectionClosed { link, .. }) => {
                let to = self.peers.get(&(place.node, *link)).map_or("?", |to| self.names.name(*to));
                let text = format!("has lost {to}");
                self.push_event(place, &text);
            }
            Observation::Delivered(mail) => {
                let text = self.names.message(mail);
                self.push_event(place, &text);
            }
            Observation::Event(event) => self.event(place, event),
            Observation::Lost { flow: TrafficKind::Multicast, .. } => {
                self.push_event(place, "misses a multicast")
            }
            Observation::Lost { flow: TrafficKind::Datagram, .. } => {
                self.push_event(place, "misses a datagram")
            }
            Observation::Ended => {
                self.push_event(place, "dies");
                if let Some(decoder) = &mut self.decoder {
                    decoder.ended(place.node);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
