//! Fault classes, and the count of each class in a run.

use std::fmt;

/// Class of a fault. An occurrence counts when it has an effect, not when it is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum FaultClass {
    /// A datagram was lost.
    Loss,
    /// A datagram was delivered twice.
    Duplication,
    /// A datagram was delayed.
    Reordering,
    /// A datagram was truncated.
    Truncation,
    /// A bit of a datagram was flipped.
    BitFlip,
    /// A datagram was longer than the path's MTU, and was lost.
    SmallMtu,
    /// A datagram, or a segment of a connection with full segments, was longer than the path
    /// carries, and was lost without notice (a path MTU black hole, RFC 2923).
    MtuBlackHole,
    /// A datagram was lost on a path that carries connections but no datagrams.
    UdpBlocked,
    /// A multicast did not reach a node.
    MulticastBlocked,
    /// A datagram or segment was blocked on a path that is blocked in one direction.
    OneWay,
    /// A datagram or segment was blocked between two sets of nodes.
    Partition,
    /// A datagram or segment was blocked between two sets of nodes that are separated and joined by
    /// turns.
    FlipFlop,
    /// A process died; its host lived on.
    Crash,
    /// A process died and was started again soon.
    Restart,
    /// A host died, or a segment was lost because its host was dead.
    HostDeath,
    /// An input was delayed because its process was paused.
    Pause,
    /// A dial was refused.
    DialRefused,
    /// A dial was not answered.
    DialSilent,
    /// A connection was reset at both ends, and the bytes in flight were lost.
    Reset,
    /// Bytes of a connection were blocked.
    Stall,
    /// Bytes of a connection arrived in several pieces.
    Chunking,
    /// Bytes of a connection were read late.
    SlowReader,
    /// A node started with a key that no other node has.
    WrongKey,
    /// An outsider without the key replayed recorded traffic.
    OutsiderReplay,
    /// An outsider without the key sent random bytes.
    OutsiderGarbage,
    /// An outsider without the key sent a flood.
    OutsiderFlood,
    /// A node's clock jumped ahead.
    ClockJump,
    /// A node's clock ran too fast or too slow.
    ClockDrift,
    /// A process died and restarted with its disk.
    KeptDisk,
    /// A process died and restarted with an earlier state of its disk.
    StaleDisk,
    /// A process died and restarted with an empty disk.
    LostDisk,
    /// A process died during a disk write.
    TornWrite,
    /// A process died, and its disk had lost writes that it had reported as synced.
    LostSync,
    /// A disk refused a write because it was full.
    FullDisk,
    /// A disk write took long.
    SlowDisk,
    /// A second process used a node's identity.
    IdentityClash,
    /// A node restarted under another address with its disk.
    AddressChange,
    /// Every node changed the sealing key, in steps.
    KeyRotation,
    /// Most nodes joined at the same time.
    MassJoin,
    /// Most members left at the same time.
    MassLeave,
    /// A live member was forgotten.
    ForgetLiving,
    /// A dead member was forgotten.
    ForgetDead,
    /// A watcher was slow to read changes.
    SlowWatcher,
}

impl FaultClass {
    /// Classes that the world itself produces: of processes, hosts, clocks and the network.
    pub const ALL: [FaultClass; 28] = [
        FaultClass::Loss,
        FaultClass::Duplication,
        FaultClass::Reordering,
        FaultClass::Truncation,
        FaultClass::BitFlip,
        FaultClass::SmallMtu,
        FaultClass::MtuBlackHole,
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

    /// Classes that exist only with whole nodes: of disks, identities, keys, members and watchers.
    /// The driver of such a world injects them, and counts them with
    /// [`World::record_fault`](crate::World::record_fault).
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

    const COUNT: usize = FaultClass::ALL.len() + FaultClass::OF_NODES.len();

    /// Every class, in order.
    pub fn all() -> impl Iterator<Item = FaultClass> {
        FaultClass::ALL.into_iter().chain(FaultClass::OF_NODES)
    }

    /// Name in tables and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            FaultClass::Loss => "loss",
            FaultClass::Duplication => "duplication",
            FaultClass::Reordering => "reordering",
            FaultClass::Truncation => "truncation",
            FaultClass::BitFlip => "bit-flip",
            FaultClass::SmallMtu => "small-mtu",
            FaultClass::MtuBlackHole => "mtu-black-hole",
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

    /// The class with this name.
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

/// The number of occurrences of each class in a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FaultCounts([u64; FaultClass::COUNT]);

impl Default for FaultCounts {
    fn default() -> FaultCounts {
        FaultCounts([0; FaultClass::COUNT])
    }
}

impl FaultCounts {
    /// Number of occurrences of a class.
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
        for (index, class) in FaultClass::all().enumerate() {
            assert_eq!(class as usize, index);
            assert_eq!(FaultClass::named(class.name()), Some(class));
        }
    }
}
