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
    /// A datagram vanished on a way where none gets through, while connections work.
    UdpBlocked,
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
    /// A process died and its disk was there when it was started again.
    KeptDisk,
    /// A process died, and was started with what its disk had held before.
    StaleDisk,
    /// A process died, and was started without what its disk had held.
    LostDisk,
    /// A process died while its disk was being written.
    TornWrite,
    /// A process died, and its disk had not kept what it said was kept.
    LostSync,
    /// A disk refused what it was given.
    FullDisk,
    /// A disk took long.
    SlowDisk,
    /// A second process said that it was a node.
    IdentityClash,
    /// A node was started elsewhere with the disk it had.
    AddressChange,
    /// Every node was given another key to seal with, in steps.
    KeyRotation,
    /// Most nodes joined at one time.
    MassJoin,
    /// Most members left at one time.
    MassLeave,
    /// A member was forgotten that was up.
    ForgetLiving,
    /// A member was forgotten that was dead.
    ForgetDead,
    /// Somebody who is told of changes took long to take them in.
    SlowWatcher,
}

impl FaultClass {
    /// All that a world does by itself: what happens to processes, hosts, clocks and what is
    /// between them.
    pub const ALL: [FaultClass; 27] = [
        FaultClass::Loss,
        FaultClass::Duplication,
        FaultClass::Reordering,
        FaultClass::Truncation,
        FaultClass::BitFlip,
        FaultClass::SmallMtu,
        FaultClass::UdpBlocked,
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

    /// Those that only whole nodes know: of disks, identities, keys, members and watchers. Whoever
    /// drives such a world does them, and says so by [`World::happened`](crate::World::happened).
    pub const OF_NODES: [FaultClass; 15] = [
        FaultClass::KeptDisk,
        FaultClass::StaleDisk,
        FaultClass::LostDisk,
        FaultClass::TornWrite,
        FaultClass::LostSync,
        FaultClass::FullDisk,
        FaultClass::SlowDisk,
        FaultClass::IdentityClash,
        FaultClass::AddressChange,
        FaultClass::KeyRotation,
        FaultClass::MassJoin,
        FaultClass::MassLeave,
        FaultClass::ForgetLiving,
        FaultClass::ForgetDead,
        FaultClass::SlowWatcher,
    ];

    /// How many there are.
    const COUNT: usize = FaultClass::ALL.len() + FaultClass::OF_NODES.len();

    /// Every one, in order.
    pub fn all() -> impl Iterator<Item = FaultClass> {
        FaultClass::ALL.into_iter().chain(FaultClass::OF_NODES)
    }

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
            FaultClass::UdpBlocked => "udp-blocked",
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
            FaultClass::KeptDisk => "kept-disk",
            FaultClass::StaleDisk => "stale-disk",
            FaultClass::LostDisk => "lost-disk",
            FaultClass::TornWrite => "torn-write",
            FaultClass::LostSync => "lost-sync",
            FaultClass::FullDisk => "full-disk",
            FaultClass::SlowDisk => "slow-disk",
            FaultClass::IdentityClash => "identity-clash",
            FaultClass::AddressChange => "address-change",
            FaultClass::KeyRotation => "key-rotation",
            FaultClass::MassJoin => "mass-join",
            FaultClass::MassLeave => "mass-leave",
            FaultClass::ForgetLiving => "forget-living",
            FaultClass::ForgetDead => "forget-dead",
            FaultClass::SlowWatcher => "slow-watcher",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<FaultClass> {
        FaultClass::all().find(|class| class.name() == name)
    }
}

impl fmt::Display for FaultClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// How often each kind really happened in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCounts([u64; FaultClass::COUNT]);

impl Default for FaultCounts {
    fn default() -> FaultCounts {
        FaultCounts([0; FaultClass::COUNT])
    }
}

impl FaultCounts {
    /// How often that was.
    #[must_use]
    pub const fn get(&self, class: FaultClass) -> u64 {
        self.0[class as usize]
    }

    pub(crate) const fn add(&mut self, class: FaultClass) {
        self.0[class as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_listed_once_and_in_order() {
        for (place, class) in FaultClass::all().enumerate() {
            assert_eq!(class as usize, place);
            assert_eq!(FaultClass::named(class.name()), Some(class));
        }
    }
}
