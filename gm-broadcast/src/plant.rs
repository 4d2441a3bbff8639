//! Planted bugs, with which the simulator tests its checkers. Without the feature `plant`,
//! `planted` is false at compile time.

/// Defines the enum of a crate's planted bugs, and `plant` and `planted`, by the crate's own
/// feature `plant`. Each bug is a doc comment and a name.
#[doc(hidden)]
#[macro_export]
macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident,)*) => {
        /// A planted bug.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $($(#[$doc])* $bug,)*
        }

        impl Bug {
            /// The bugs, in the order of their declaration.
            pub const ALL: [Bug; [$(Bug::$bug),*].len()] = [$(Bug::$bug),*];

            /// Its name on the command line.
            #[must_use]
            pub fn name(self) -> String {
                let words = format!("{self:?}");
                let mut name = String::new();
                for letter in words.chars() {
                    if letter.is_ascii_uppercase() && !name.is_empty() {
                        name.push('-');
                    }
                    name.push(letter.to_ascii_lowercase());
                }
                name
            }
        }

        #[cfg(feature = "plant")]
        mod planting {
            use std::cell::Cell;

            use super::Bug;

            thread_local! {
                static PLANTED: Cell<Option<Bug>> = const { Cell::new(None) };
            }

            /// Plants a bug in all machines that this thread drives, or removes it.
            pub fn plant(bug: Option<Bug>) {
                PLANTED.set(bug);
            }

            pub(crate) fn planted(bug: Bug) -> bool {
                PLANTED.get() == Some(bug)
            }
        }

        #[cfg(feature = "plant")]
        pub use planting::plant;
        #[cfg(feature = "plant")]
        pub(crate) use planting::planted;

        /// Without the feature, no bug is planted.
        #[cfg(not(feature = "plant"))]
        pub(crate) const fn planted(_: Bug) -> bool {
            false
        }
    };
}

bugs! {
    /// Each division drops one target.
    TargetDropped,
    /// Broadcasts are deduplicated without the origin's epoch.
    EpochNotInIdentity,
    /// A confirmation of reception never expires.
    ConfirmationForever,
    /// A relay that could not be reached takes its targets with it.
    FailedRelayLosesTargets,
    /// The summary of a silent relay still counts after its subtree was reassigned.
    AckCountedTwice,
    /// Broadcasts received by datagram are forwarded.
    DatagramsForward,
    /// A subtree is reassigned to the relay that went silent.
    ReassignedToSilentRelay,
    /// A broadcast is forwarded again when it arrives again.
    ForwardsTwice,
    /// A relay in another island does not multicast there.
    RelayDoesNotMulticast,
    /// No confirmed neighbor gets an announcement.
    NoNeighborProbed,
    /// Requests for missed content are ignored.
    ContentRequestIgnored,
    /// The sequence beacon is not sent.
    NoSequenceBeacon,
    /// Nacks are never sent.
    NackNeverSent,
    /// A node that failed is never dialed again.
    BackoffForever,
    /// The outbox is lost with its connection.
    OutboxLostWithConnection,
    /// A replayed broadcast is passed to the handler.
    ReplayDelivered,
    /// The outbox has no limit.
    OutboxUnbounded,
    /// A summary is marked as final while a relay is still pending.
    LastTooEarly,
}
