//! How the driver ends: what is queued has a while to be sent, then all connections are closed, which have as long again.

use std::time::Duration;

use super::Driver;
use super::links::Link;
use crate::machine::Input;
use crate::shell::handle::{Driven, Order};

impl<M: Driven> Driver<M> {
    /// Nobody is let in or called any longer; what is queued has a while.
    pub(super) fn begin_end(&mut self) {
        self.callers.abort_all();
        self.orders.close();
        let until = self.clock.now() + self.settings.linger;
        self.stopping.get_or_insert(until);
    }

    /// Whether nothing waits: no dial is under way, nobody who was dialled still owes the first bytes, and all is with the system.
    pub(super) fn is_quiet(&self) -> bool {
        let waits = |link: &Link| link.queued > 0 || (link.accepted.is_none() && link.come == 0);
        self.datagrams.is_idle() && self.pieces.1.is_empty() && !self.links.values().any(waits)
    }

    pub(super) async fn end(mut self) {
        self.feed(Input::Command(M::close()));
        self.links.clear();
        while let Ok(order) = self.orders.try_recv() {
            if let Order::Stop(done) = order {
                self.waiting.push(done);
            }
        }
        let linger = self.settings.linger + Duration::from_millis(100);
        let all = async {
            // What the tasks still say is nobody's any longer, and must not hold them up.
            while !self.tasks.is_empty() {
                tokio::select! {
                    _ = self.tasks.join_next() => {}
                    _ = self.pieces.1.recv() => {}
                }
            }
        };
        let _ = tokio::time::timeout(linger, all).await;
        for done in self.waiting.drain(..) {
            let _ = done.send(());
        }
    }
}
