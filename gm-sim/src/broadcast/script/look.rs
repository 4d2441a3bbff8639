//! Writes down what nodes say and hear, a line for each thing, in the order in which it happens.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::rc::Rc;

use gm_broadcast::{ConnectionId, DialFailure, Event, Input};
use gm_codec::Channel;

use super::lens::{Lens, Sight};
use super::words::Names;
use crate::broadcast::node::Node;
use crate::checker::{Checker, Violation};
use crate::node::NodeIndex;
use crate::watch::{Flow, Seen, Where};

/// The lines since they were last taken.
#[derive(Debug)]
pub(super) struct Look {
    names: Names,
    lens: Option<Lens>,
    lines: String,
    /// Whom a node dialled or was dialled by, on which connection.
    peers: BTreeMap<(NodeIndex, ConnectionId), NodeIndex>,
}

impl Look {
    pub(super) fn new(names: Names) -> Rc<RefCell<Look>> {
        let peers = BTreeMap::new();
        Rc::new(RefCell::new(Look { names, lens: Lens::new().ok(), lines: String::new(), peers }))
    }

    pub(super) fn take(&mut self) -> String {
        std::mem::take(&mut self.lines)
    }

    /// A line that is not of a time.
    pub(super) fn say(&mut self, text: String) {
        self.lines.push_str(&text);
        self.lines.push('\n');
    }

    fn line(&mut self, place: Where, text: &str) {
        let micros = place.at.as_nanos() / 1_000;
        let (millis, rest) = (micros / 1_000, micros % 1_000);
        let name = self.names.of(place.node);
        // A string takes everything.
        let _ = writeln!(self.lines, "{millis:>6}.{rest:03} {name} {text}");
    }

    fn sent(
        &mut self,
        place: Where,
        flow: Flow,
        to: Option<NodeIndex>,
        link: Option<ConnectionId>,
        bytes: &[u8],
    ) {
        let Some(lens) = &mut self.lens else { return };
        let sight = match (flow, to, link) {
            (Flow::Stream, Some(to), Some(link)) => {
                self.peers.insert((place.node, link), to);
                lens.stream(place.node, to, link, bytes)
            }
            (Flow::Stream, ..) => Sight::Noise,
            (Flow::Datagram, Some(to), _) => lens.datagram(bytes, Channel::DatagramTo(self.names.id(to))),
            _ => lens.datagram(bytes, Channel::Datagram),
        };
        let to = to.map_or("?", |to| self.names.of(to));
        let arrow = match flow {
            Flow::Multicast => "=> all".to_owned(),
            Flow::Datagram => format!("~> {to}"),
            Flow::Stream => format!("-> {to}"),
        };
        match sight {
            Sight::Opening => {}
            Sight::Payload(payload) => {
                let text = format!("{arrow}: {}", self.names.payload(&payload));
                self.line(place, &text);
            }
            Sight::Noise => self.line(place, &format!("{arrow}: {} bytes that nobody can read", bytes.len())),
        }
    }

    fn event(&mut self, place: Where, event: &Event) {
        let text = match event {
            Event::Started { .. } => return,
            Event::Rejected { why, .. } => format!("cannot say it: {why}"),
            Event::Acks { report, .. } => self.names.report(report),
            Event::NodeFound(node) => format!("finds {}", self.names.node(*node)),
            Event::Near(node) => format!("hears {}", self.names.node(*node)),
            Event::Far(node) => format!("hears {} no longer", self.names.node(*node)),
            Event::Island(Some(label)) => format!("is of island {}", self.names.node(*label)),
            Event::Island(None) => "is alone".to_owned(),
            Event::PersistRequested(_) => "is asked to store it".to_owned(),
            Event::IdentityClash => "meets itself".to_owned(),
            Event::Unopened(unopened) => {
                format!("cannot open frames of {}: {:?}", unopened.from, unopened.cause)
            }
            Event::DatagramReachability { node, lost: true } => {
                format!("loses datagrams to {}", self.names.node(*node))
            }
            Event::DatagramReachability { node, lost: false } => {
                format!("reaches {} by datagrams again", self.names.node(*node))
            }
            Event::Stalled(node) => format!("sends small segments to {} from now on", self.names.node(*node)),
            Event::SeedTrouble { node, why } => {
                format!("does not reach its seed {}: {why:?}", self.names.node(*node))
            }
            Event::SeedReached(node) => format!("reaches its seed {}", self.names.node(*node)),
        };
        self.line(place, &text);
    }
}

impl Checker<Node> for Look {
    fn name(&self) -> &'static str {
        "look"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Node>) -> Result<(), Violation> {
        match seen {
            Seen::Sent { flow, to, link, bytes, .. } => self.sent(place, *flow, *to, *link, bytes),
            Seen::Dialled { to, .. } => {
                let text = format!("dials {}", self.names.node(*to));
                self.line(place, &text);
            }
            Seen::Closed { link } => {
                let to = self.peers.get(&(place.node, *link)).map_or("?", |to| self.names.of(*to));
                let text = format!("closes {to}");
                self.line(place, &text);
            }
            Seen::Input(Input::ConnectionRefused { refusal, .. }) => {
                let text = if *refusal == DialFailure::Refused { "is refused" } else { "is not answered" };
                self.line(place, text);
            }
            Seen::Input(Input::ConnectionClosed { link, .. }) => {
                let to = self.peers.get(&(place.node, *link)).map_or("?", |to| self.names.of(*to));
                let text = format!("has lost {to}");
                self.line(place, &text);
            }
            Seen::Delivered(mail) => {
                let text = self.names.mail(mail);
                self.line(place, &text);
            }
            Seen::Event(event) => self.event(place, event),
            Seen::Lost { flow: Flow::Multicast, .. } => self.line(place, "misses a multicast"),
            Seen::Lost { flow: Flow::Datagram, .. } => self.line(place, "misses a datagram"),
            Seen::Ended => {
                self.line(place, "dies");
                if let Some(lens) = &mut self.lens {
                    lens.ended(place.node);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
