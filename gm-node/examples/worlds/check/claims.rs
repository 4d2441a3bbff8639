//! What a scenario claims beyond what holds in all worlds. Knows nothing of how plans are drawn.

use std::collections::BTreeSet;

use gm_node::{AckCount, Event, WaitOutcome};
use gm_sim::{Checker, NodeIndex, Seen, Violation, Where};

use crate::book::{Asked, Book, Shared};
use crate::ground::{Land, Whole};
use crate::plan::Ending;

/// Looks at how waits end, and at the world in the end.
#[derive(Debug)]
pub(crate) struct Claimed {
    book: Shared,
    /// Waits for all that ended as claimed.
    waits: u64,
}

impl Claimed {
    /// Of that book.
    pub(crate) fn new(book: &Shared) -> Claimed {
        Claimed { book: Shared::clone(book), waits: 0 }
    }

    fn wait(&mut self, tag: u64, end: WaitOutcome) -> Result<(), String> {
        let book = self.book.borrow();
        let Some(claimed) = book.plan.claims.waits else { return Ok(()) };
        let Some(ask) = book.asks.get(&tag).filter(|ask| matches!(ask.what, Asked::Write(_))) else {
            return Ok(());
        };
        let should = match claimed {
            // A dead member is all that is missing.
            Ending::Settled if ask.wait.count == AckCount::All => WaitOutcome::Settled,
            Ending::Settled | Ending::Satisfied => WaitOutcome::Satisfied,
        };
        if end != should && ask.wait.count != AckCount::None {
            return Err(format!("{} waits, {:?}, and it ends {end:?}, not {should:?}", ask.node, ask.wait));
        }
        self.waits += u64::from(ask.wait.count == AckCount::All);
        Ok(())
    }
}

/// What is claimed and is not so.
fn not_so(world: &Land, book: &Book) -> Option<String> {
    let claims = &book.plan.claims;
    if book.full < claims.full {
        return Some(format!("{} writes are refused because of a bound, not {}", book.full, claims.full));
    }
    if let (Some((_, most)), Some(idle)) = (claims.quiet, book.idle)
        && idle > most
    {
        return Some(format!("a node sends {idle} bytes a second in quiet, more than {most}"));
    }
    let misfits: u64 = world
        .indices()
        .filter_map(|node| world.machine(node))
        .flat_map(|machine| machine.counters().iter().filter(|(what, _, _)| *what == "increment"))
        .map(|(_, _, count)| count)
        .sum();
    if claims.fits && misfits > 0 {
        return Some(format!("{misfits} increments did not fit"));
    }
    for node in &claims.contacts {
        let machine = world.machine(*node)?;
        for group in &book.plan.groups {
            let held = machine.view(group).is_some();
            let contact = machine.contacts().find(|(name, _)| *name == group).map(|(_, member)| member);
            let is_member =
                |member| world.find(member).and_then(|place| world.machine(place)?.view(group)).is_some();
            if !held && !contact.is_some_and(is_member) {
                return Some(format!("{node} knows {contact:?} of {group:?}"));
            }
        }
    }
    for (group, members) in claims.members.iter().flatten() {
        let should: BTreeSet<_> = members.iter().map(|node| book.plan.id(*node)).collect();
        let machine = members.first().and_then(|node: &NodeIndex| world.machine(*node))?;
        let is: BTreeSet<_> = machine.members(&book.plan.groups[*group]).into_iter().collect();
        if is != should {
            return Some(format!("members are {is:?}, not {should:?}"));
        }
    }
    None
}

impl Checker<Whole> for Claimed {
    fn name(&self) -> &'static str {
        "claims"
    }

    fn see(&mut self, place: Where, seen: &Seen<'_, Whole>) -> Result<(), Violation> {
        if let Seen::Event(Event::Answered { tag, result: Ok(written), .. }) = seen {
            self.wait(*tag, written.wait.outcome)
                .map_err(|what| Violation::liveness("claims", place.at, what))?;
        }
        Ok(())
    }

    fn at_end(&mut self, world: &Land) -> Result<(), Violation> {
        let book = self.book.borrow();
        if book.plan.claims.waits.is_some() && self.waits == 0 {
            return Err(Violation::liveness("claims", world.now(), "nobody waited for all"));
        }
        match not_so(world, &book) {
            Some(what) => Err(Violation::liveness("claims", world.now(), what)),
            None => Ok(()),
        }
    }
}
