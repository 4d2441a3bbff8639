//! Timeouts: lists the timers, dispatches those that are due, and closes connections that are idle,
//! stuck or not authenticated.

use gm_clock::NetId;
use gm_codec::BroadcastId;

use super::Broadcaster;
use crate::ack_aggregation::AckKey;
use crate::counter::Counter;
use crate::machine::ConnectionId;
use crate::time::Time;

/// The timers of a broadcaster. Of those that are due at the same time, the first one here fires
/// first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum BroadcasterTimer {
    /// Changes of the set of neighbors should be multicast.
    ReceptionReport,
    /// Confirmations of reception should be renewed.
    ReceptionRenewal,
    /// A probe of whether datagrams reach this peer timed out.
    DatagramProbe(NetId),
    /// The last sequence number should be multicast again.
    SequenceBeacon,
    /// A peer should be asked for the peers that it knows, and seeds should be dialed.
    Exchange,
    /// A nack is due.
    LossRecovery,
    /// A connection may be idle, or not authenticated in time.
    Connection(ConnectionId),
    /// The content of an announcement did not arrive in time.
    AwaitedContent(BroadcastId),
    /// A presence challenge should be sent, or timed out.
    Presence(NetId),
    /// Acknowledgements of subtrees that came by datagram are due.
    HopAcks,
    /// The island has been silent.
    MulticastKeepalive,
    /// The next candidate of a subtree should be tried.
    Handover(u64),
    /// Announcements to new neighbors are due.
    LateAnnouncements,
    /// Acks: an interval, a silent relay, or the deadline.
    Acks(AckKey),
}

impl<D> Broadcaster<D> {
    /// Fires all timers that are due. Called after every input, so that nothing depends on whether
    /// a wake-up or a datagram comes first.
    pub(super) fn fire_timers(&mut self, now: Time) {
        if let Some(due) = self.timers.next().filter(|due| *due <= now) {
            self.lateness = now.since(due);
        }
        while let Some(timer) = self.timers.take(now) {
            match timer {
                BroadcasterTimer::ReceptionReport => self.on_reception_report_timer(now),
                BroadcasterTimer::ReceptionRenewal => self.on_reception_renewal_timer(now),
                BroadcasterTimer::DatagramProbe(node) => self.on_datagram_probe_timer(now, node),
                BroadcasterTimer::SequenceBeacon => self.on_beacon_timer(now),
                BroadcasterTimer::Exchange => self.on_exchange_timer(now),
                BroadcasterTimer::LossRecovery => self.on_loss_recovery_timer(now),
                BroadcasterTimer::Connection(id) => self.on_connection_timer(now, id),
                BroadcasterTimer::AwaitedContent(id) => self.on_awaited_content_timer(now, id),
                BroadcasterTimer::Presence(node) => self.on_presence_timer(now, node),
                BroadcasterTimer::HopAcks => self.on_hop_acks_timer(now),
                BroadcasterTimer::MulticastKeepalive => self.on_keepalive_timer(now),
                BroadcasterTimer::Handover(id) => self.on_handover_timer(now, id),
                BroadcasterTimer::LateAnnouncements => self.on_late_announcements_timer(now),
                BroadcasterTimer::Acks(key) => self.on_ack_timer(now, key),
            }
        }
    }

    /// Closes a connection that is not authenticated in time, or idle.
    fn on_connection_timer(&mut self, now: Time, id: ConnectionId) {
        let Some(link) = self.connections.table.get(&id) else { return };
        let times = self.config.timings;
        let known = link.is_open() && link.peer.is_some();
        if !known {
            let until = link.created_at + times.opening;
            if now >= until {
                self.counters.count(Counter::AuthenticationTimeouts);
                return self.lose_connection(now, id);
            }
            return self.timers.set(BroadcasterTimer::Connection(id), until);
        }
        let frame = link.frame_deadline(times.frame);
        if frame.is_some_and(|until| now >= until) {
            self.counters.count(Counter::PartialFramesTimedOut);
            return self.lose_connection(now, id);
        }
        let idle = link.last_used + times.idle;
        // A peer in the middle of a frame is not idle, if nothing waits for it.
        let until = match frame {
            Some(frame) if now >= idle && link.is_idle() => frame,
            Some(frame) => frame.min(idle),
            None => idle,
        };
        if now < until {
            return self.timers.set(BroadcasterTimer::Connection(id), until);
        }
        // A peer that read nothing for the idle time will not read any more: what waits for it is
        // sent another way.
        self.counters.count(if link.is_idle() {
            Counter::ConnectionsIdle
        } else {
            Counter::ConnectionsStuck
        });
        self.lose_connection(now, id);
    }
}
