//! The plainest handler: it hands on whatever comes. Knows nothing of what it means.

use gm_clock::NetId;
use gm_codec::Body;

use crate::handler::{Handler, Outcome, Received};
use crate::time::Time;

/// Hands on every broadcast and every direct message, as [`Heard`].
#[derive(Clone, Copy, Debug, Default)]
pub struct Inbox;

/// What an [`Inbox`] got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Who said it first.
    pub origin: NetId,
    /// What.
    pub body: Body,
}

impl Handler for Inbox {
    type Delivery = Heard;

    fn handle(&mut self, _now: Time, received: Received<'_>) -> Outcome<Heard> {
        let origin = received.broadcast.map_or(received.from, |id| id.origin);
        Outcome::deliver(Heard { origin, body: received.body.clone() })
    }
}
