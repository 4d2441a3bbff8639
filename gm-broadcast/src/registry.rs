//! A handler of payload types that were registered under names: each with how it is written, read and handled. Knows nothing of what
//! they mean.

use std::collections::BTreeMap;
use std::fmt;

use gm_codec::{ApplicationPayload, Body};
use thiserror::Error;

use crate::handler::{Handler, Outcome, Received};
use crate::time::Time;

type Handle<D> = Box<dyn FnMut(Time, Received<'_>, &[u8]) -> Option<Outcome<D>> + Send>;

/// What is made of a payload of a registered type.
#[derive(Clone, Debug)]
pub struct Took<T, D> {
    /// What is passed on instead of what came, if it is a broadcast: the payload merged with what was known already.
    pub forward: Option<T>,
    /// Whether this node counts in receipts.
    pub counts: bool,
    /// Whether what it said is on disk.
    pub stored: bool,
    /// What the owner gets.
    pub deliver: Option<D>,
}

/// How payloads of a type are written and read.
#[derive(Clone, Copy, Debug)]
pub struct Coding<T> {
    /// The bytes of a payload.
    pub encode: fn(&T) -> Vec<u8>,
    /// The payload of bytes; nothing if they are none.
    pub decode: fn(&[u8]) -> Option<T>,
}

/// A type was not registered, and nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotRegistered {
    /// The name is empty, longer than 64 bytes, or has a control character.
    #[error("{0:?} cannot be the name of a payload type: 1 to 64 bytes without control characters")]
    BadName(String),
    /// Another type has it.
    #[error("a payload type is registered as {0:?} already")]
    Taken(String),
}

/// Payload types by name: what stands on the wire before each payload.
///
/// ```
/// use gm_broadcast::{Coding, Registry, Took};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut highest = 0;
/// let mut registry: Registry<u64> = Registry::new();
/// let coding = Coding {
///     encode: |number: &u64| number.to_be_bytes().to_vec(),
///     decode: |bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)),
/// };
/// registry.register("highest", coding, move |_now, _from, number| {
///     highest = number.max(highest);
///     Took { forward: Some(highest), counts: true, stored: false, deliver: Some(highest) }
/// })?;
/// let body = Registry::<u64>::body("highest", &coding, &7); // for a `Broadcasting`
/// # let _ = body;
/// # Ok(())
/// # }
/// ```
pub struct Registry<D> {
    types: BTreeMap<String, Handle<D>>,
    unknown: u64,
}

impl<D> Registry<D> {
    /// No type yet.
    #[must_use]
    pub const fn new() -> Registry<D> {
        Registry { types: BTreeMap::new(), unknown: 0 }
    }

    /// Registers a type under a name.
    ///
    /// # Errors
    /// [`NotRegistered`]; nothing changed.
    pub fn register<T: 'static>(
        &mut self,
        name: &str,
        coding: Coding<T>,
        mut handle: impl FnMut(Time, Received<'_>, T) -> Took<T, D> + Send + 'static,
    ) -> Result<(), NotRegistered> {
        if !(1..=64).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err(NotRegistered::BadName(name.to_owned()));
        }
        if self.types.contains_key(name) {
            return Err(NotRegistered::Taken(name.to_owned()));
        }
        let of = name.to_owned();
        let handle: Handle<D> = Box::new(move |now, received, bytes| {
            let Took { forward, counts, stored, deliver } = handle(now, received, (coding.decode)(bytes)?);
            let forward = forward.map(|payload| Self::body(&of, &coding, &payload));
            Some(Outcome { forward, counts, stored, deliver })
        });
        self.types.insert(name.to_owned(), handle);
        Ok(())
    }

    /// The body of a payload of a type, to be broadcast or sent.
    #[must_use]
    pub fn body<T>(name: &str, coding: &Coding<T>, payload: &T) -> Body {
        Body::Application(ApplicationPayload { name: name.to_owned(), bytes: (coding.encode)(payload) })
    }

    /// Payloads that came of no registered type, or could not be read: they are passed on as they came, and do not count.
    #[must_use]
    pub const fn unknown(&self) -> u64 {
        self.unknown
    }
}

impl<D> Handler for Registry<D> {
    type Delivery = D;

    fn handle(&mut self, now: Time, received: Received<'_>) -> Outcome<D> {
        let outcome = match received.body {
            Body::Application(ApplicationPayload { name, bytes }) => {
                self.types.get_mut(name).and_then(|handle| handle(now, received, bytes))
            }
            _ => None,
        };
        outcome.unwrap_or_else(|| {
            self.unknown += 1;
            Outcome { forward: None, counts: false, stored: false, deliver: None }
        })
    }
}

impl<D> Default for Registry<D> {
    fn default() -> Registry<D> {
        Registry::new()
    }
}

impl<D> fmt::Debug for Registry<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("types", &self.types.keys()).field("unknown", &self.unknown).finish()
    }
}

#[cfg(test)]
mod tests {
    use gm_codec::BroadcastId;

    use super::*;
    use crate::handler::Path;

    const NUMBER: Coding<u64> = Coding {
        encode: |number| number.to_be_bytes().to_vec(),
        decode: |bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)),
    };

    #[test]
    fn types_are_told_apart_by_name_and_what_cannot_be_read_does_not_count() {
        let mut registry = Registry::new();
        let took = |scale: u64| {
            move |_: Time, _: Received<'_>, number: u64| {
                let deliver = Some(number * scale);
                Took { forward: Some(number + 1), counts: true, stored: false, deliver }
            }
        };
        registry.register("one", NUMBER, took(1)).unwrap();
        registry.register("ten", NUMBER, took(10)).unwrap();
        let taken = registry.register("ten", NUMBER, took(3));
        assert_eq!(taken, Err(NotRegistered::Taken("ten".into())));
        for bad in ["", "a\n", &"x".repeat(65)] {
            assert_eq!(registry.register(bad, NUMBER, took(1)), Err(NotRegistered::BadName(bad.into())));
        }
        let from = "10.0.0.1:29999".parse().unwrap();
        let broadcast = Some(BroadcastId { origin: from, epoch: [1; 8], sequence: 0 });
        let mut hear = |body: &Body| {
            let received = Received { from, broadcast, path: Path::Link, body };
            registry.handle(Time::ZERO, received)
        };
        let ten = hear(&Registry::<u64>::body("ten", &NUMBER, &4));
        assert_eq!((ten.deliver, ten.counts), (Some(40), true));
        assert_eq!(ten.forward, Some(Registry::<u64>::body("ten", &NUMBER, &5)));
        assert_eq!(hear(&Registry::<u64>::body("one", &NUMBER, &4)).deliver, Some(4));
        let short = Body::Application(ApplicationPayload { name: "one".into(), bytes: vec![1] });
        for unknown in [short, Registry::<u64>::body("two", &NUMBER, &4), Body::HeaderOnly] {
            let outcome = hear(&unknown);
            assert_eq!((outcome.deliver, outcome.counts, outcome.forward), (None, false, None));
        }
        assert_eq!(registry.unknown(), 3);
    }

    #[test]
    fn what_is_shown_is_which_types_there_are() {
        let mut registry = Registry::<u64>::default();
        let took = |_: Time, _: Received<'_>, _: u64| Took {
            forward: None,
            counts: true,
            stored: false,
            deliver: None,
        };
        registry.register("letter", NUMBER, took).unwrap();
        let text = format!("{registry:?}");
        assert!(text.contains("letter") && text.contains("unknown: 0"), "{text}");
    }
}
