//! Bugs that the tests plant, to see that they are found. In the program none is: `planted` is
//! false at compile time without the feature `plant`, which only the simulator turns on.

/// Defines the bugs of a crate and how one is planted, by the crate's own feature `plant`. Each is
/// one line of doc and a name.
#[doc(hidden)]
#[macro_export]
macro_rules! bugs {
    ($($(#[$doc:meta])* $bug:ident,)*) => {
        /// What can be planted.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Bug {
            $($(#[$doc])* $bug,)*
        }

        impl Bug {
            /// All, in their order.
            pub const ALL: [Bug; [$(Bug::$bug),*].len()] = [$(Bug::$bug),*];

            /// Its name, as commands have it.
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

            /// Plants a bug in all machines that this thread drives, or takes it away.
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

        /// No bug is planted.
        #[cfg(not(feature = "plant"))]
        pub(crate) const fn planted(_: Bug) -> bool {
            false
        }
    };
}

bugs! {
    /// One target is dropped from each split.
    TargetDropped,
    /// Broadcasts are told apart without the origin's epoch.
    EpochNotInIdentity,
    /// A confirmation that somebody hears us never expires.
    ConfirmationForever,
    /// A hop that is replaced takes its list with it.
    ReplacedHopLosesList,
    /// What was counted of a silent relay is counted beside those who got its share.
    ReceiptCountedTwice,
    /// What comes by datagrams is passed on.
    DatagramsForward,
    /// A share is given again to the relay that went silent.
    ReissueToTheDead,
    /// What was passed on once is passed on again.
    ForwardsTwice,
    /// A relay in another island does not multicast there.
    RelayDoesNotMulticast,
    /// Nobody of the confirmed is kept on the list.
    NobodyKept,
    /// Who is asked for content that was missed sends none.
    SendMeIgnored,
    /// The number of what was multicast last is not multicast again.
    NoEcho,
    /// Missing multicasts are never asked for.
    GapsNeverAsked,
    /// A node that failed is never dialled again.
    BackoffForever,
    /// What waits for a connection is lost with it.
    OutboxLostWithLink,
    /// A replay is handed to the handler.
    ReplayDelivered,
    /// A queue has no bound.
    OutboxUnbounded,
    /// A sum says that it is the last while a relay is waited for.
    LastTooEarly,
}
