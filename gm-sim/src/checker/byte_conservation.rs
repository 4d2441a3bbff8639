//! No byte of the world is lost without a word or comes from nowhere: sent = arrived + lost + under
//! way. Knows no protocol.

use gm_broadcast::{Machine, Time};

use crate::checker::{Checker, Violation};
use crate::observation::{Observation, ObservationContext, TrafficKind};
use crate::world::World;

/// Sums what is sent, added, arrives and is lost, each way, and compares with what is under way in
/// the end.
#[derive(Debug, Default)]
pub struct ByteConservation {
    sent: [u64; 3],
    arrived_or_lost: [u64; 3],
}

impl ByteConservation {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> ByteConservation {
        ByteConservation::default()
    }

    /// Whether what was put and is gone leaves just what is under way.
    ///
    /// # Errors
    /// If not.
    pub fn balance(&self, at: Time, under_way: [u64; 3]) -> Result<(), Violation> {
        for flow in TrafficKind::ALL {
            let (sent, arrived_or_lost) = (self.sent[flow as usize], self.arrived_or_lost[flow as usize]);
            let left = under_way[flow as usize];
            if sent != arrived_or_lost + left {
                let what = format!(
                    "{}: {sent} bytes sent, {arrived_or_lost} arrived or lost, {left} under way",
                    flow.name()
                );
                return Err(Violation::safety("bytes", at, what));
            }
        }
        Ok(())
    }
}

impl<M: Machine> Checker<M> for ByteConservation {
    fn name(&self) -> &'static str {
        "bytes"
    }

    fn observe(&mut self, place: ObservationContext, seen: &Observation<'_, M>) -> Result<(), Violation> {
        match seen {
            Observation::Sent { flow, copies, bytes, .. } => {
                self.sent[*flow as usize] += (bytes.len() * copies) as u64;
            }
            Observation::Added { flow, length } => self.sent[*flow as usize] += *length as u64,
            Observation::Arrived { flow, length } | Observation::Lost { flow, length } => {
                let arrived_or_lost = &mut self.arrived_or_lost[*flow as usize];
                *arrived_or_lost += *length as u64;
                if *arrived_or_lost > self.sent[*flow as usize] {
                    let what = format!("{} got {} bytes that nobody sent", place.node, flow.name());
                    return Err(Violation::safety("bytes", place.at, what));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn at_end(&mut self, world: &World<M>) -> Result<(), Violation> {
        self.balance(world.now(), world.under_way())
    }
}
