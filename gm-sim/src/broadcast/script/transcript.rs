//! Transcript of a script: one line for each message and event, in order of time.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use gm_broadcast::{BroadcastEvent, ConnectionId, DialFailure, Input};

use super::names::NodeNames;
use crate::broadcast::node::{SimBroadcaster, codec};
use crate::broadcast::tap::FrameTap;
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::observation::{Observation, ObservationContext, TrafficKind};

/// The lines since the last call of `take`.
#[derive(Debug)]
pub(super) struct Transcript {
    names: NodeNames,
    tap: FrameTap,
    lines: String,
    /// Peer of each connection.
    peers: BTreeMap<(NodeIndex, ConnectionId), NodeIndex>,
}

impl Transcript {
    pub(super) fn new(names: NodeNames) -> Rc<RefCell<Transcript>> {
        let peers = BTreeMap::new();
        Rc::new(RefCell::new(Transcript {
            names,
            tap: FrameTap::new(codec(None)),
            lines: String::new(),
            peers,
        }))
    }

    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.lines)
    }

    /// Adds a line without a time.
    pub(super) fn push_line(&mut self, text: String) {
        self.lines.push_str(&text);
        self.lines.push('\n');
    }

    fn push_event(&mut self, context: ObservationContext, text: &str) {
        let micros = context.at.as_nanos() / 1_000;
        let (millis, rest) = (micros / 1_000, micros % 1_000);
        let name = self.names.name(context.node);
        // Writing to a `String` cannot fail.
        let _ = writeln!(self.lines, "{millis:>6}.{rest:03} {name} {text}");
    }

    fn sent(
        &mut self,
        context: ObservationContext,
        flow: TrafficKind,
        to: Option<NodeIndex>,
        link: Option<ConnectionId>,
        bytes: &[u8],
    ) {
        let frames = match (flow, to, link) {
            (TrafficKind::Stream, Some(to), Some(link)) => {
                self.peers.insert((context.node, link), to);
                self.tap.stream(context.node, Some(to), link, bytes)
            }
            (TrafficKind::Stream, ..) => None,
            (TrafficKind::Multicast | TrafficKind::Datagram, to, _) => {
                let to = to.map(|to| (to, self.names.id(to)));
                self.tap.datagram(context.node, to, bytes).map(|frame| vec![frame])
            }
        };
        let to = to.map_or("?", |to| self.names.name(to));
        let arrow = match flow {
            TrafficKind::Multicast => "=> all".to_owned(),
            TrafficKind::Datagram => format!("~> {to}"),
            TrafficKind::Stream => format!("-> {to}"),
        };
        match frames {
            // A long frame may be preceded by a header-only one.
            Some(mut frames) => {
                if let Some(frame) = frames.pop() {
                    let text = format!("{arrow}: {}", self.names.payload(&frame.payload));
                    self.push_event(context, &text);
                }
            }
            None => self.push_event(context, &format!("{arrow}: {} unreadable bytes", bytes.len())),
        }
    }

    fn event(&mut self, context: ObservationContext, event: &BroadcastEvent) {
        let text = match event {
            BroadcastEvent::Started { .. } => return,
            BroadcastEvent::Rejected { why, .. } => format!("rejects the broadcast: {why}"),
            BroadcastEvent::Acks { report, .. } => self.names.report(report),
            BroadcastEvent::NodeFound(node) => format!("discovers {}", self.names.name_of_id(*node)),
            BroadcastEvent::Near(node) => format!("gains neighbor {}", self.names.name_of_id(*node)),
            BroadcastEvent::Far(node) => format!("loses neighbor {}", self.names.name_of_id(*node)),
            BroadcastEvent::Island(Some(label)) => format!("joins island {}", self.names.name_of_id(*label)),
            BroadcastEvent::Island(None) => "leaves its island".to_owned(),
            BroadcastEvent::DeliveryDoubtful => "doubts that all targets are reached".to_owned(),
            BroadcastEvent::PersistRequested(_) => "must store it".to_owned(),
            BroadcastEvent::IdentityClash => "detects an identity clash".to_owned(),
            BroadcastEvent::Unopened(unopened) => {
                format!("cannot open frames of {}: {:?}", unopened.from, unopened.cause)
            }
            BroadcastEvent::DatagramReachability { node, lost: true } => {
                format!("cannot reach {} by datagrams", self.names.name_of_id(*node))
            }
            BroadcastEvent::DatagramReachability { node, lost: false } => {
                format!("reaches {} by datagrams again", self.names.name_of_id(*node))
            }
            BroadcastEvent::Stalled(node) => {
                format!("uses small segments to {} from now on", self.names.name_of_id(*node))
            }
            BroadcastEvent::SeedTrouble { node, why } => {
                format!("cannot reach its seed {}: {why:?}", self.names.name_of_id(*node))
            }
            BroadcastEvent::SeedReached(node) => format!("reaches its seed {}", self.names.name_of_id(*node)),
        };
        self.push_event(context, &text);
    }
}

impl Checker<SimBroadcaster> for Transcript {
    fn name(&self) -> &'static str {
        "transcript"
    }

    fn observe(
        &mut self,
        context: ObservationContext,
        seen: &Observation<'_, SimBroadcaster>,
    ) -> Result<(), Violation> {
        self.tap.observe(context.node, seen);
        match seen {
            Observation::Sent { flow, to, link, bytes, .. } => self.sent(context, *flow, *to, *link, bytes),
            Observation::Dialled { to, .. } => {
                let text = format!("dials {}", self.names.name_of_id(*to));
                self.push_event(context, &text);
            }
            Observation::Closed { link } => {
                let to = self.peers.get(&(context.node, *link)).map_or("?", |to| self.names.name(*to));
                let text = format!("closes {to}");
                self.push_event(context, &text);
            }
            Observation::Input(Input::ConnectionRefused { refusal, .. }) => {
                let text = if *refusal == DialFailure::Refused { "dial refused" } else { "dial timed out" };
                self.push_event(context, text);
            }
            Observation::Input(Input::ConnectionClosed { link, .. }) => {
                let to = self.peers.get(&(context.node, *link)).map_or("?", |to| self.names.name(*to));
                let text = format!("loses connection to {to}");
                self.push_event(context, &text);
            }
            Observation::Delivered(message) => {
                let text = self.names.message(message);
                self.push_event(context, &text);
            }
            Observation::Event(event) => self.event(context, event),
            Observation::Lost { flow: TrafficKind::Multicast, .. } => {
                self.push_event(context, "loses a multicast")
            }
            Observation::Lost { flow: TrafficKind::Datagram, .. } => {
                self.push_event(context, "loses a datagram")
            }
            Observation::Ended => self.push_event(context, "dies"),
            _ => {}
        }
        Ok(())
    }
}
