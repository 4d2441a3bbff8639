//! Accept loop of the TCP listener. Errors never end it: the system may run out of a resource for a
//! while.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::connection::{ConnectionEvent, error_reason};
use super::stats::RuntimeStats;
use crate::counter::Counter;

/// Pause after an error, doubled each time...
const FIRST_DELAY: Duration = Duration::from_millis(5);
/// ... up to this.
const MAX_DELAY: Duration = Duration::from_secs(1);

/// Passes every connection to the driver, until the driver ends.
pub(super) async fn accept(
    listener: TcpListener,
    events: mpsc::Sender<ConnectionEvent>,
    stats: RuntimeStats,
) {
    let mut pause = FIRST_DELAY;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                pause = FIRST_DELAY;
                if events.send(ConnectionEvent::Accepted(stream, from)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                stats.count_reason(Counter::AcceptErrors, error_reason(&error));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(MAX_DELAY);
            }
        }
    }
}
