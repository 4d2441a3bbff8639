//! What a node is to us, and why: for whoever asks at three in the morning. Changes nothing.

use std::fmt;
use std::time::Duration;

use gm_clock::NetId;

use crate::broadcaster::Broadcaster;
use crate::class::Class;
use crate::handler::Handler;
use crate::time::Time;

/// What a node is to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relation {
    /// We hear its multicast.
    Near {
        /// How long ago, the last time.
        heard: Duration,
        /// How long its word still holds that it hears us; nothing if it did not say so, or did not get what we multicast.
        hears_us: Option<Duration>,
    },
    /// We do not, but we know it.
    Far {
        /// How far it is, if a connection has shown it.
        class: Option<Class>,
        /// How long ago anything of it opened; nothing if we only were told of it.
        contact: Option<Duration>,
        /// Failures to reach it since it was last reached.
        failures: u32,
        /// How long it is left alone now because of them.
        left_alone: Duration,
    },
    /// We do not know it.
    Unknown,
}

impl fmt::Display for Relation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Relation::Near { heard, hears_us: Some(_) } => {
                write!(
                    f,
                    "near: its multicast came {} s ago, and it says that it hears ours",
                    heard.as_secs()
                )
            }
            Relation::Near { heard, hears_us: None } => {
                write!(
                    f,
                    "near: its multicast came {} s ago; whether it hears ours is not known",
                    heard.as_secs()
                )
            }
            Relation::Far { contact: None, failures: 0, .. } => {
                f.write_str("far: others told of it, nothing of it came")
            }
            Relation::Far { contact: Some(contact), failures: 0, .. } => {
                write!(f, "far: something of it came {} s ago, but none of its multicast", contact.as_secs())
            }
            Relation::Far { failures, left_alone, .. } => {
                write!(f, "far: not reached {failures} times, tried again in {} s", left_alone.as_secs())
            }
            Relation::Unknown => f.write_str("unknown: nobody told of it"),
        }
    }
}

impl<H: Handler> Broadcaster<H> {
    /// What a node is to us, and why.
    pub fn relation(&self, now: Time, node: NetId) -> Relation {
        if let Some((heard, confirmed)) = self.hearing_of(node) {
            let hears_us = confirmed.filter(|until| *until > now).map(|until| until.since(now));
            return Relation::Near { heard: now.since(heard), hears_us };
        }
        let known = self.config().directory.get(node);
        match self.peer_of(node) {
            Some(peer) => Relation::Far {
                class: peer.class,
                contact: peer.contact.map(|at| now.since(at)),
                failures: peer.failures,
                left_alone: peer.not_before.since(now),
            },
            None => known.map_or(Relation::Unknown, |known| Relation::Far {
                class: Some(known.class),
                contact: None,
                failures: 0,
                left_alone: Duration::ZERO,
            }),
        }
    }
}
