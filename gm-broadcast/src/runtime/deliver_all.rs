//! The simplest handler: it delivers every payload.

use gm_clock::NetId;
use gm_codec::Body;

use crate::handler::{Handler, HandlerOutcome, Received};
use crate::time::Time;

/// Delivers every broadcast and every direct message as a [`DeliveredBody`].
#[derive(Clone, Copy, Debug, Default)]
pub struct DeliverAll;

/// A payload that [`DeliverAll`] delivers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeliveredBody {
    /// The origin of a broadcast, or the sender of a direct message.
    pub origin: NetId,
    /// The payload.
    pub body: Body,
}

impl Handler for DeliverAll {
    type Delivery = DeliveredBody;

    fn handle(&mut self, _now: Time, received: Received<'_>) -> HandlerOutcome<DeliveredBody> {
        let origin = received.broadcast.map_or(received.from, |id| id.origin);
        HandlerOutcome::deliver(DeliveredBody { origin, body: received.body.clone() })
    }
}
