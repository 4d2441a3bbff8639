//! Inputs of datagrams. Broadcasts are delivered, and forwarded only for a sender that is shown to
//! be present, so a forged source address or a recording amplifies nothing.

use std::net::SocketAddr;

use bytes::Bytes;
use gm_codec::{Channel, ReceivedFrame, ReplayStatus};

use super::Broadcaster;
use super::inbound::Inbound;
use crate::counter::Counter;
use crate::event::BroadcastEvent;
use crate::handler::{Handler, Path};
use crate::machine::Via;
use crate::time::Time;

impl<D> Broadcaster<D> {
    pub(super) fn on_datagram(
        &mut self,
        now: Time,
        (from, via): (SocketAddr, Via),
        bytes: Bytes,
        handler: &mut dyn Handler<Delivery = D>,
    ) {
        // Decryption costs one or two microseconds. A flood of invalid datagrams takes that time
        // from unknown senders, not from known addresses; addresses can be forged, so they decide
        // nothing else.
        if !self.unopened_bucket.has_token(now) && !self.knows_address(from) {
            self.counters.count(Counter::DatagramsSkipped);
            return;
        }
        // A datagram for one node is valid for that node only, and a multicast only if it arrived
        // by the group's socket.
        let channel = match via {
            Via::Multicast => Channel::Datagram,
            Via::Unicast => Channel::DatagramTo(self.config.me),
        };
        let opened = match self.codec.open_received(&channel, ReceivedFrame::from(bytes)) {
            Ok(opened) => opened,
            Err(error) => {
                self.unopened_bucket.take(now);
                self.counters.count_reason(Counter::DatagramsRejected, error.name());
                return self.on_unopened(now, from, error);
            }
        };
        let epoch = opened.seal.map(|seal| seal.epoch);
        if let Some(seal) = opened.seal {
            // Multicasts are looped back to their sender.
            if self.is_own(seal.epoch.bytes()) {
                self.counters.count(Counter::OwnDatagramsReceived);
                return;
            }
            match self.replay.check_and_set(seal.epoch, seal.counter) {
                ReplayStatus::Fresh => {}
                status @ (ReplayStatus::Replayed | ReplayStatus::TooOld) => {
                    return self.counters.count_reason(Counter::DatagramsRejected, status.name());
                }
            }
        }
        let payload = match opened.decode(self.codec.limits()) {
            Ok(payload) => payload,
            Err(error) => return self.counters.count_reason(Counter::PayloadsRejected, error.name()),
        };
        if payload.header.sender == self.config.me {
            // Without encryption, this node's own multicasts cannot be distinguished from those of
            // another process with its NetId.
            if epoch.is_some() {
                self.counters.count(Counter::IdentityClashes);
                self.emit(BroadcastEvent::IdentityClash);
            }
            return;
        }
        self.counters.count(Counter::DatagramsOpened);
        let path = match via {
            Via::Multicast => Path::Multicast,
            Via::Unicast => Path::Datagram,
        };
        let inbound = Inbound {
            path,
            epoch: epoch.map(gm_codec::Epoch::bytes),
            counter: opened.seal.map_or(0, |seal| seal.counter),
            bytes: opened.payload.len(),
            datagram: Some(&opened),
            link: None,
            source: Some(from.ip()),
            present: false,
        };
        self.receive(now, inbound, payload, handler);
    }

    fn knows_address(&self, from: SocketAddr) -> bool {
        let ip = from.ip();
        let (low, high) = (gm_clock::NetId::new(ip, 1), gm_clock::NetId::new(ip, u16::MAX));
        match (low, high) {
            (Ok(low), Ok(high)) => {
                self.peers.any_within(low, high) || self.config.directory.any_within(low, high)
            }
            _ => false,
        }
    }
}
