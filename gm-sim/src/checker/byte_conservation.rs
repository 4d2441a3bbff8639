//! Byte conservation: no byte vanishes unreported or appears from nowhere, so sent = arrived + lost
//! + in flight.

use gm_broadcast::{Machine, Time};

use crate::checker::{Checker, Violation};
use crate::observation::{Observation, ObservationContext, TrafficKind};
use crate::world::World;

/// Sums sent, added, arrived and lost bytes of each kind, and compares them at the end with the
/// bytes in flight.
#[derive(Debug, Default)]
pub struct ByteConservation {
    sent: [u64; 3],
    arrived_or_lost: [u64; 3],
}

impl ByteConservation {
    /// A checker that has observed nothing yet.
    #[must_use]
    pub fn new() -> ByteConservation {
        ByteConservation::default()
    }

    /// Compares the sums with the bytes in flight.
    ///
    /// # Errors
    /// A safety violation, if they do not add up.
    pub fn balance(&self, at: Time, in_flight: [u64; 3]) -> Result<(), Violation> {
        for flow in TrafficKind::ALL {
            let (sent, arrived_or_lost) = (self.sent[flow as usize], self.arrived_or_lost[flow as usize]);
            let left = in_flight[flow as usize];
            if sent != arrived_or_lost + left {
                let what = format!(
                    "{}: {sent} bytes sent, {arrived_or_lost} arrived or lost, {left} in flight",
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

    fn observe(&mut self, context: ObservationContext, seen: &Observation<'_, M>) -> Result<(), Violation> {
        match seen {
            Observation::Sent { flow, copies, bytes, .. } => {
                self.sent[*flow as usize] += (bytes.len() * copies) as u64;
            }
            Observation::Added { flow, length } => self.sent[*flow as usize] += *length as u64,
            Observation::Arrived { flow, length } | Observation::Lost { flow, length } => {
                let arrived_or_lost = &mut self.arrived_or_lost[*flow as usize];
                *arrived_or_lost += *length as u64;
                if *arrived_or_lost > self.sent[*flow as usize] {
                    let what =
                        format!("{} received {} bytes that were never sent", context.node, flow.name());
                    return Err(Violation::safety("bytes", context.at, what));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn at_end(&mut self, world: &World<M>) -> Result<(), Violation> {
        self.balance(world.now(), world.in_flight_bytes())
    }
}
