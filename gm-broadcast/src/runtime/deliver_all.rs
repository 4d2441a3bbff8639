//! The plainest handler: it hands on whatever comes. Knows nothing of what it means.

use gm_clock::NetId;
use gm_codec::Body;

use crate::handler::{Handler, HandlerOutcome, Received};
use crate::time::Time;

/// Hands on every broadcast and every direct message, as [`Heard`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliverAll;

/// What an [`Inbox`] got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredBody {
    /// Who said it first.
    pub origin: NetId,
    /// What.
    pub body: Body,
}

impl Handler for DeliverAll {
    type Delivery = DeliveredBody;

    fn handle(&mut self, _now: Time, received: Received<'_>) -> HandlerOutcome<DeliveredBody> {
        let origin = received.broadcast.map_or(received.from, |id| id.origin);
        HandlerOutcome::deliver(DeliveredBody { origin, body: received.body.clone() })
    }
}
