//! What is due. Knows nothing of why.

use super::Broadcaster;
use super::arriving::TOO_LONG;
use crate::alarm::Timer;
use crate::handler::Handler;
use crate::machine::LinkId;
use crate::time::Time;

impl<H: Handler> Broadcaster<H> {
    /// Does all that is due: after every input, so that nothing depends on whether a wake or a datagram came first.
    pub(super) fn wake(&mut self, now: Time) {
        while let Some(timer) = self.alarms.take(now) {
            match timer {
                Timer::Announce => self.on_announce(now),
                Timer::Datagrams(node) => self.on_datagrams(now, node),
                Timer::Echo => self.on_echo(now),
                Timer::Exchange => self.on_exchange(now),
                Timer::Gaps => self.on_gaps(now),
                Timer::Link(id) => self.on_link_timer(now, id),
                Timer::Pending(id) => self.on_pending(now, id),
                Timer::Presence(node) => self.on_presence(now, node),
                Timer::Quiet => self.on_quiet(now),
                Timer::Share(id) => self.on_share(now, id),
                Timer::Tally(key) => self.on_tally(now, key),
            }
        }
    }

    /// A connection may have shown nothing in time, or be idle.
    fn on_link_timer(&mut self, now: Time, id: LinkId) {
        let Some(link) = self.links.table.get(&id) else { return };
        let times = self.config.times;
        let known = link.is_open() && link.peer.is_some();
        if !known {
            let until = link.since + times.opening;
            if now >= until {
                self.counters.count("link", "showed nothing");
                return self.lose_link(now, id);
            }
            return self.alarms.set(Timer::Link(id), until);
        }
        let frame = link.frame_until(times.frame);
        if frame.is_some_and(|until| now >= until) {
            self.counters.count("link", TOO_LONG);
            return self.lose_link(now, id);
        }
        let idle = link.used + times.idle;
        // Whoever is in the middle of a frame is not idle, if nothing waits for it.
        let until = match frame {
            Some(frame) if now >= idle && link.is_idle() => frame,
            Some(frame) => frame.min(idle),
            None => idle,
        };
        if now < until {
            return self.alarms.set(Timer::Link(id), until);
        }
        // Whoever took nothing for so long of what is on its way will not: what waits goes another way.
        self.counters.count("link", if link.is_idle() { "idle" } else { "stuck" });
        self.lose_link(now, id);
    }
}
