//! Shutdown of the driver: queued data has the linger time to be sent, then all connections are
//! closed, which have the same time again.

use std::time::Duration;

use super::Driver;
use super::connections::ConnectionTask;
use crate::machine::Input;
use crate::runtime::handle::{Request, RuntimeMachine};

impl<M: RuntimeMachine> Driver<M> {
    /// Stops accepting and resolving; queued data has the linger time.
    pub(super) fn begin_shutdown(&mut self) {
        self.background_tasks.abort_all();
        self.requests.close();
        let until = self.clock.now() + self.settings.linger;
        self.stop_deadline.get_or_insert(until);
    }

    /// Whether nothing waits: no dial is under way, no dialed peer still owes its handshake, and
    /// all data is with the system.
    pub(super) fn is_drained(&self) -> bool {
        let waits =
            |link: &ConnectionTask| link.queued > 0 || (link.accepted.is_none() && link.received == 0);
        self.datagrams.is_idle()
            && self.connection_events.1.is_empty()
            && !self.connections.values().any(waits)
    }

    pub(super) async fn shut_down(&mut self) {
        self.feed(Input::Command(M::close()));
        self.connections.clear();
        while let Ok(order) = self.requests.try_recv() {
            if let Request::Stop(done) = order {
                self.stop_waiters.push(done);
            }
        }
        let linger = self.settings.linger + Duration::from_millis(100);
        let all = async {
            // Further events of the tasks are discarded, so that they do not block the tasks.
            while !self.connection_tasks.is_empty() {
                tokio::select! {
                    _ = self.connection_tasks.join_next() => {}
                    _ = self.connection_events.1.recv() => {}
                }
            }
        };
        let _ = tokio::time::timeout(linger, all).await;
        for done in self.stop_waiters.drain(..) {
            let _ = done.send(());
        }
    }
}
