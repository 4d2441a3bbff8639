//! Handler for application payloads: types registered by name, each with its encoding and a
//! callback.

use std::collections::BTreeMap;
use std::fmt;

use gm_codec::{ApplicationPayload, Body};
use thiserror::Error;

use crate::handler::{Handler, HandlerOutcome, Received};
use crate::time::Time;

type PayloadHandler<D> = Box<dyn FnMut(Time, Received<'_>, &[u8]) -> Option<HandlerOutcome<D>> + Send>;

/// A callback's decisions about a payload of a registered type.
#[derive(Clone, Debug)]
pub struct Handled<T, D> {
    /// Payload to forward instead of the received broadcast, such as the payload merged with
    /// earlier ones.
    pub forward: Option<T>,
    /// Whether this node acknowledges the broadcast.
    pub acks: bool,
    /// Whether the content is on disk.
    pub stored: bool,
    /// Data for the caller.
    pub deliver: Option<D>,
}

/// Encoding of a payload type.
#[derive(Clone, Copy, Debug)]
pub struct PayloadCoding<T> {
    /// Encodes a payload.
    pub encode: fn(&T) -> Vec<u8>,
    /// Decodes a payload; `None` if the bytes are invalid.
    pub decode: fn(&[u8]) -> Option<T>,
}

/// A type could not be registered; the registry is unchanged.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RegisterError {
    /// The name is empty, longer than 64 bytes, or has a control character.
    #[error("{0:?} cannot be the name of a payload type: 1 to 64 bytes without control characters")]
    BadName(String),
    /// Another type has the name.
    #[error("a payload type is registered as {0:?} already")]
    Taken(String),
}

/// Registry of payload types by name. The name is sent before each payload.
///
/// ```
/// use gm_broadcast::{PayloadCoding, PayloadRegistry, Handled};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let mut highest = 0;
/// let mut registry: PayloadRegistry<u64> = PayloadRegistry::new();
/// let coding = PayloadCoding {
///     encode: |number: &u64| number.to_be_bytes().to_vec(),
///     decode: |bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)),
/// };
/// registry.register("highest", coding, move |_now, _from, number| {
///     highest = number.max(highest);
///     Handled { forward: Some(highest), acks: true, stored: false, deliver: Some(highest) }
/// })?;
/// let body = PayloadRegistry::<u64>::body("highest", &coding, &7); // for a `BroadcastRequest`
/// # let _ = body;
/// # Ok(())
/// # }
/// ```
pub struct PayloadRegistry<D> {
    types: BTreeMap<String, PayloadHandler<D>>,
    unknown: u64,
}

impl<D> PayloadRegistry<D> {
    /// An empty registry.
    #[must_use]
    pub const fn new() -> PayloadRegistry<D> {
        PayloadRegistry { types: BTreeMap::new(), unknown: 0 }
    }

    /// Registers a type under a name.
    ///
    /// # Errors
    /// [`RegisterError`]; the registry is unchanged.
    pub fn register<T: 'static>(
        &mut self,
        name: &str,
        coding: PayloadCoding<T>,
        mut handle: impl FnMut(Time, Received<'_>, T) -> Handled<T, D> + Send + 'static,
    ) -> Result<(), RegisterError> {
        if !(1..=64).contains(&name.len()) || name.chars().any(char::is_control) {
            return Err(RegisterError::BadName(name.to_owned()));
        }
        if self.types.contains_key(name) {
            return Err(RegisterError::Taken(name.to_owned()));
        }
        let of = name.to_owned();
        let handle: PayloadHandler<D> = Box::new(move |now, received, bytes| {
            let Handled { forward, acks: counts, stored, deliver } =
                handle(now, received, (coding.decode)(bytes)?);
            let forward = forward.map(|payload| Self::body(&of, &coding, &payload));
            Some(HandlerOutcome { forward, acks: counts, stored, deliver })
        });
        self.types.insert(name.to_owned(), handle);
        Ok(())
    }

    /// The body of a payload, for a broadcast or a direct message.
    #[must_use]
    pub fn body<T>(name: &str, coding: &PayloadCoding<T>, payload: &T) -> Body {
        Body::Application(ApplicationPayload {
            name: name.to_owned(),
            bytes: (coding.encode)(payload).into(),
        })
    }

    /// Number of payloads of unregistered types, or that could not be decoded. They are forwarded
    /// unchanged and not acknowledged.
    #[must_use]
    pub const fn unknown(&self) -> u64 {
        self.unknown
    }
}

impl<D> Handler for PayloadRegistry<D> {
    type Delivery = D;

    fn handle(&mut self, now: Time, received: Received<'_>) -> HandlerOutcome<D> {
        let outcome = match received.body {
            Body::Application(ApplicationPayload { name, bytes }) => {
                self.types.get_mut(name).and_then(|handle| handle(now, received, bytes))
            }
            _ => None,
        };
        outcome.unwrap_or_else(|| {
            self.unknown += 1;
            HandlerOutcome { forward: None, acks: false, stored: false, deliver: None }
        })
    }
}

impl<D> Default for PayloadRegistry<D> {
    fn default() -> PayloadRegistry<D> {
        PayloadRegistry::new()
    }
}

impl<D> fmt::Debug for PayloadRegistry<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PayloadRegistry")
            .field("types", &self.types.keys())
            .field("unknown", &self.unknown)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use gm_codec::BroadcastId;

    use super::*;
    use crate::handler::Path;

    const NUMBER: PayloadCoding<u64> = PayloadCoding {
        encode: |number| number.to_be_bytes().to_vec(),
        decode: |bytes| Some(u64::from_be_bytes(bytes.try_into().ok()?)),
    };

    #[test]
    fn unknown_and_unreadable_payloads_are_not_acknowledged() {
        let mut registry = PayloadRegistry::new();
        let took = |scale: u64| {
            move |_: Time, _: Received<'_>, number: u64| {
                let deliver = Some(number * scale);
                Handled { forward: Some(number + 1), acks: true, stored: false, deliver }
            }
        };
        registry.register("one", NUMBER, took(1)).unwrap();
        registry.register("ten", NUMBER, took(10)).unwrap();
        let taken = registry.register("ten", NUMBER, took(3));
        assert_eq!(taken, Err(RegisterError::Taken("ten".into())));
        for bad in ["", "a\n", &"x".repeat(65)] {
            assert_eq!(registry.register(bad, NUMBER, took(1)), Err(RegisterError::BadName(bad.into())));
        }
        let from = "10.0.0.1:29999".parse().unwrap();
        let broadcast = Some(BroadcastId { origin: from, epoch: [1; 8], sequence: 0 });
        let mut hear = |body: &Body| {
            let received = Received { from, broadcast, path: Path::Connection, body };
            registry.handle(Time::ZERO, received)
        };
        let ten = hear(&PayloadRegistry::<u64>::body("ten", &NUMBER, &4));
        assert_eq!((ten.deliver, ten.acks), (Some(40), true));
        assert_eq!(ten.forward, Some(PayloadRegistry::<u64>::body("ten", &NUMBER, &5)));
        assert_eq!(hear(&PayloadRegistry::<u64>::body("one", &NUMBER, &4)).deliver, Some(4));
        let short = Body::Application(ApplicationPayload { name: "one".into(), bytes: vec![1].into() });
        for unknown in [short, PayloadRegistry::<u64>::body("two", &NUMBER, &4), Body::HeaderOnly] {
            let outcome = hear(&unknown);
            assert_eq!((outcome.deliver, outcome.acks, outcome.forward), (None, false, None));
        }
        assert_eq!(registry.unknown(), 3);
    }

    #[test]
    fn debug_output_lists_the_types() {
        let mut registry = PayloadRegistry::<u64>::default();
        let took = |_: Time, _: Received<'_>, _: u64| Handled {
            forward: None,
            acks: true,
            stored: false,
            deliver: None,
        };
        registry.register("letter", NUMBER, took).unwrap();
        let text = format!("{registry:?}");
        assert!(text.contains("letter") && text.contains("unknown: 0"), "{text}");
    }
}
