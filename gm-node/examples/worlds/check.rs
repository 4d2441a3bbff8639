//! What must hold in a world of whole nodes, one thing a file. Knows nothing of how plans are drawn.

pub(crate) mod acknowledged;
pub(crate) mod bounded;
pub(crate) mod claims;
pub(crate) mod equal;
pub(crate) mod receipts;
pub(crate) mod stored;
pub(crate) mod watchers;
pub(crate) mod written;

use std::rc::Rc;

use gm_sim::Bytes;

use crate::book::Shared;
use crate::ground::Land;

/// Everybody looks on.
pub(crate) fn watch(world: &mut Land, book: &Shared) {
    let written = written::Written::shared(book);
    world.watch(Rc::clone(book));
    world.watch(Bytes::new());
    world.watch(acknowledged::Acknowledged::new(book));
    world.watch(stored::Stored::new(book));
    world.watch(Rc::clone(&written));
    world.watch(receipts::Receipts::new(book, &written));
    world.watch(watchers::Watchers::new(book));
    world.watch(bounded::Bounded);
    world.watch(equal::Equal::new(book));
    world.watch(claims::Claimed::new(book));
}
