//! A broadcaster together with its handler, as a machine of its own. Applications use it that need
//! no protocol above the broadcaster, and so do tests and simulations. An owner with a protocol of
//! its own, such as a node of groups, keeps a [`Broadcaster`] and the handler as separate fields.

use gm_codec::FrameCodec;

use crate::broadcaster::Broadcaster;
use crate::config::{BroadcasterConfig, BroadcasterConfigError};
use crate::event::{BroadcastCommand, BroadcastEvent};
use crate::handler::Handler;
use crate::machine::{Input, Machine, Output};
use crate::time::Time;

/// A [`Broadcaster`] and the [`Handler`] of its payloads.
#[derive(Debug)]
pub struct BroadcastMachine<H: Handler> {
    /// The broadcaster.
    pub broadcaster: Broadcaster<H::Delivery>,
    /// The handler of payloads.
    pub handler: H,
}

impl<H: Handler> BroadcastMachine<H> {
    /// A machine that starts now; the arguments are those of [`Broadcaster::new`].
    pub fn new(
        config: BroadcasterConfig,
        codec: FrameCodec,
        handler: H,
        seed: [u8; 32],
        now: Time,
    ) -> Result<BroadcastMachine<H>, BroadcasterConfigError> {
        Ok(BroadcastMachine { broadcaster: Broadcaster::new(config, codec, seed, now)?, handler })
    }
}

impl<H: Handler> Machine for BroadcastMachine<H> {
    type Command = BroadcastCommand;
    type Delivery = H::Delivery;
    type Event = BroadcastEvent;

    fn handle(&mut self, now: Time, input: Input<BroadcastCommand>) {
        self.broadcaster.handle(now, input, &mut self.handler);
    }

    fn poll_output(&mut self) -> Option<Output<H::Delivery, BroadcastEvent>> {
        self.broadcaster.poll_output()
    }

    fn deadline(&self) -> Option<Time> {
        self.broadcaster.deadline()
    }
}
