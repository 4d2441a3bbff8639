//! The kinds of faults, by name, and how often each really happened. Knows not how one is done.

use std::fmt;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum FaultClass {
    /// A datagram vanished.
    Loss,
    /// A datagram came twice.
    Duplication,
    /// A datagram came late.
    Reordering,
    /// The end of a datagram was missing.
    Truncation,
    /// One bit of a datagram was another.
    BitFlip,
    /// A datagram was too long for the way, and vanished.
    SmallMtu,
    /// A node did not hear a multicast.
    MulticastBlocked,
    /// A datagram or bytes were held up on a way that is closed in one direction.
    OneWay,
    /// The same, where two sets of nodes are apart.
    Partition,
    /// The same, where the sets are apart and together by turns.
    FlipFlop,
    /// A process died while its host lived.
    Crash,
    /// A process died and was started again at once or soon.
    Restart,
    /// A host died, or something of a connection did not come through because it was dead.
    HostDeath,
    /// Something came for a process that was paused.
    Pause,
    /// A dial was refused.
    DialRefused,
    /// A dial was not answered.
    DialSilent,
    /// A connection ended at both sides, and what was on its way was lost.
    Reset,
    /// Bytes of a connection were held up.
    Stall,
    /// Bytes of a connection came in pieces.
    Chunking,
    /// Bytes of a connection were not read at once.
    SlowReader,
    /// A node started with a key that nobody else has.
    WrongKey,
    /// Somebody without a key sent again what was recorded.
    OutsiderReplay,
    /// Somebody without a key sent noise.
    OutsiderGarbage,
    /// Somebody without a key sent much.
    OutsiderFlood,
    /// A node's clock jumped ahead.
    ClockJump,
    /// A node's clock ran too fast or too slow.
    ClockDrift,
}

impl FaultClass {
    /// All of them.
    pub const ALL: [FaultClass; 26] = [
        FaultClass::Loss,
        FaultClass::Duplication,
        FaultClass::Reordering,
        FaultClass::Truncation,
        FaultClass::BitFlip,
        FaultClass::SmallMtu,
        FaultClass::MulticastBlocked,
        FaultClass::OneWay,
        FaultClass::Partition,
        FaultClass::FlipFlop,
        FaultClass::Crash,
        FaultClass::Restart,
        FaultClass::HostDeath,
        FaultClass::Pause,
        FaultClass::DialRefused,
        FaultClass::DialSilent,
        FaultClass::Reset,
        FaultClass::Stall,
        FaultClass::Chunking,
        FaultClass::SlowReader,
        FaultClass::WrongKey,
        FaultClass::OutsiderReplay,
        FaultClass::OutsiderGarbage,
        FaultClass::OutsiderFlood,
        FaultClass::ClockJump,
        FaultClass::ClockDrift,
    ];

    /// As tables and commands spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FaultClass::Loss => "loss",
            FaultClass::Duplication => "duplication",
            FaultClass::Reordering => "reordering",
            FaultClass::Truncation => "truncation",
            FaultClass::BitFlip => "bit-flip",
            FaultClass::SmallMtu => "small-mtu",
            FaultClass::MulticastBlocked => "multicast-blocked",
            FaultClass::OneWay => "one-way",
            FaultClass::Partition => "partition",
            FaultClass::FlipFlop => "flip-flop",
            FaultClass::Crash => "crash",
            FaultClass::Restart => "restart",
            FaultClass::HostDeath => "host-death",
            FaultClass::Pause => "pause",
            FaultClass::DialRefused => "dial-refused",
            FaultClass::DialSilent => "dial-silent",
            FaultClass::Reset => "reset",
            FaultClass::Stall => "stall",
            FaultClass::Chunking => "chunking",
            FaultClass::SlowReader => "slow-reader",
            FaultClass::WrongKey => "wrong-key",
            FaultClass::OutsiderReplay => "outsider-replay",
            FaultClass::OutsiderGarbage => "outsider-garbage",
            FaultClass::OutsiderFlood => "outsider-flood",
            FaultClass::ClockJump => "clock-jump",
            FaultClass::ClockDrift => "clock-drift",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<FaultClass> {
        FaultClass::ALL.into_iter().find(|class| class.name() == name)
    }
}

impl fmt::Display for FaultClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How often each kind really happened in a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally([u64; FaultClass::ALL.len()]);

impl Tally {
    /// How often that was.
    #[must_use]
    pub const fn of(&self, class: FaultClass) -> u64 {
        self.0[class as usize]
    }

    pub(crate) const fn count(&mut self, class: FaultClass) {
        self.0[class as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_listed_once_and_in_order() {
        for (place, class) in FaultClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, place);
            assert_eq!(FaultClass::named(class.name()), Some(class));
        }
    }
}
