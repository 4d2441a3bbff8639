//! Timeouts: dispatches the timers that are due, and closes connections that are idle, stuck or not
//! authenticated.

use super::Broadcaster;
use crate::counter::Counter;
use crate::machine::ConnectionId;
use crate::time::Time;
use crate::timers::Timer;

impl<D> Broadcaster<D> {
    /// Fires all timers that are due. Called after every input, so that nothing depends on whether
    /// a wake-up or a datagram comes first.
    pub(super) fn fire_timers(&mut self, now: Time) {
        while let Some(timer) = self.timers.take(now) {
            match timer {
                Timer::ReceptionReport => self.on_reception_report_timer(now),
                Timer::DatagramProbe(node) => self.on_datagram_probe_timer(now, node),
                Timer::SequenceBeacon => self.on_beacon_timer(now),
                Timer::Exchange => self.on_exchange_timer(now),
                Timer::LossRecovery => self.on_loss_recovery_timer(now),
                Timer::Connection(id) => self.on_connection_timer(now, id),
                Timer::AwaitedContent(id) => self.on_awaited_content_timer(now, id),
                Timer::Presence(node) => self.on_presence_timer(now, node),
                Timer::MulticastKeepalive => self.on_keepalive_timer(now),
                Timer::Handover(id) => self.on_handover_timer(now, id),
                Timer::Acks(key) => self.on_ack_timer(now, key),
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
            return self.timers.set(Timer::Connection(id), until);
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
            return self.timers.set(Timer::Connection(id), until);
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
