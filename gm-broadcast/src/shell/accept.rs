//! Takes connections as they come. An error never ends it: the system may be out of something for a while.

use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::link::{Piece, name};
use super::meter::Meter;

/// How long nothing is accepted after an error, doubled each time...
const FIRST: Duration = Duration::from_millis(5);
/// ... up to this.
const LONGEST: Duration = Duration::from_secs(1);

/// Hands every connection to the driver, until that ends.
pub(super) async fn accept(listener: TcpListener, pieces: mpsc::Sender<Piece>, meter: Meter) {
    let mut pause = FIRST;
    loop {
        match listener.accept().await {
            Ok((stream, from)) => {
                pause = FIRST;
                if pieces.send(Piece::Accepted(stream, from)).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                meter.count("accept", name(&error));
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST);
            }
        }
    }
}
