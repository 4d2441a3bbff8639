//! No byte of the world is lost without a word or comes from nowhere: sent = arrived + lost + under way. Knows no protocol.

use gm_broadcast::{Machine, Time};

use crate::checker::{Checker, Violation};
use crate::watch::{Flow, Seen, Where};
use crate::world::World;

/// Sums what is sent, added, arrives and is lost, each way, and compares with what is under way in the end.
#[derive(Debug, Default)]
pub struct Bytes {
    put: [u64; 3],
    gone: [u64; 3],
}

impl Bytes {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Bytes {
        Bytes::default()
    }

    /// Whether what was put and is gone leaves just what is under way.
    ///
    /// # Errors
    /// If not.
    pub fn balance(&self, at: Time, under_way: [u64; 3]) -> Result<(), Violation> {
        for flow in Flow::ALL {
            let (put, gone) = (self.put[flow as usize], self.gone[flow as usize]);
            let left = under_way[flow as usize];
            if put != gone + left {
                let what =
                    format!("{}: {put} bytes sent, {gone} arrived or lost, {left} under way", flow.name());
                return Err(Violation::safety("bytes", at, what));
            }
        }
        Ok(())
    }
}

impl<M: Machine> Checker<M> for Bytes {
    fn name(&self) -> &'static str {
        "bytes"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, M>) -> Result<(), Violation> {
        match seen {
            Seen::Sent { flow, copies, bytes, .. } => {
                self.put[*flow as usize] += (bytes.len() * copies) as u64;
            }
            Seen::Added { flow, length } => self.put[*flow as usize] += *length as u64,
            Seen::Arrived { flow, length } | Seen::Lost { flow, length } => {
                let gone = &mut self.gone[*flow as usize];
                *gone += *length as u64;
                if *gone > self.put[*flow as usize] {
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
