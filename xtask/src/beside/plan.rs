//! Plan of a run: the systems, and the measurements with their arguments in the order in which they
//! run.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Length of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Size {
    /// About six minutes.
    Quick,
    /// Every system, with many repetitions.
    Full,
}

impl Size {
    /// Flag of this size.
    pub(crate) const fn flag(self) -> &'static str {
        match self {
            Size::Quick => "--quick",
            Size::Full => "--full",
        }
    }

    /// Time for waiting until the machine is calm, and for repeating disturbed runs.
    pub(crate) const fn patience(self) -> Duration {
        match self {
            Size::Quick => Duration::from_secs(60),
            Size::Full => Duration::from_secs(3_600),
        }
    }
}

/// System with its configuration.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct System {
    /// Name, and the program after `peer-`.
    pub(crate) peer: String,
    pub(crate) cfg: String,
}

impl System {
    pub(crate) fn new(peer: &str, cfg: &str) -> System {
        System { peer: peer.to_owned(), cfg: cfg.to_owned() }
    }

    /// Name in the tables.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.peer, self.cfg)
    }
}

/// Systems of every run, gm first.
const ALWAYS: &[(&str, &str)] = &[("gm", "mcast"), ("gm", "ucast"), ("foca", "eager10"), ("foca", "default")];
/// The floor, for updates alone: it has no members, no state and no repair.
const FLOOR: &[(&str, &str)] = &[("floor", "mcast"), ("floor", "ucast")];
/// Systems of a full run only.
const MORE: &[(&str, &str)] =
    &[("memberlist-rs", "tuned"), ("chitchat", "tuned"), ("serf", "default"), ("memberlist-go", "tuned")];
/// Systems whose growth to 512 nodes is measured; the others are too slow for one machine.
const GROWING: &[(&str, &str)] = ALWAYS;

/// Number of nodes with loss.
pub(crate) const NODES_WITH_LOSS: u32 = 32;
/// Numbers of nodes of joins and updates.
pub(crate) const NODES: [u32; 3] = [8, 32, 128];
/// Number of nodes of the big state, and entries of each.
pub(crate) const BIG_STATE: (u32, u32) = (64, 100);

/// Part of a run, with a table of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Part {
    /// Join of all nodes at once.
    Join,
    /// Idle traffic, memory, and updates without loss.
    Update,
    /// Many entries at once.
    BigState,
    /// Updates with loss.
    Loss,
    /// Join, idle and updates of many nodes.
    Growth,
}

impl Part {
    const fn name(self) -> &'static str {
        match self {
            Part::Join => "join",
            Part::Update => "update",
            Part::BigState => "big state",
            Part::Loss => "loss",
            Part::Growth => "growth",
        }
    }
}

/// Run of a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Measurement {
    pub(crate) part: Part,
    pub(crate) system: System,
    pub(crate) n: u32,
    /// Flags of the program.
    pub(crate) arguments: String,
    /// Maximum of its time in seconds; a program that takes longer is killed.
    pub(crate) limit_s: u64,
}

impl Measurement {
    /// Name for `--only` and for the log.
    pub(crate) fn name(&self) -> String {
        format!("{} {} {}", self.part.name(), self.system.name(), self.n)
    }

    fn new(part: Part, (peer, cfg): (&str, &str), n: u32, limit_s: u64, arguments: String) -> Measurement {
        Measurement { part, system: System::new(peer, cfg), n, arguments, limit_s }
    }
}

/// Measurements of a run, in their order: within each part and number of nodes, repetitions
/// alternate between the systems.
pub(crate) fn measurements(size: Size) -> Vec<Measurement> {
    let systems: Vec<_> = match size {
        Size::Quick => ALWAYS.to_vec(),
        Size::Full => [ALWAYS, MORE].concat(),
    };
    let mut all = Vec::new();
    for n in NODES {
        for _ in 0..repetitions(size, 3, 5) {
            all.extend(systems.iter().map(|&system| join(size, system, n)));
        }
        all.extend([FLOOR, &systems].concat().iter().map(|&system| update(size, system, n)));
    }
    for _ in 0..repetitions(size, 1, 3) {
        all.extend(systems.iter().map(|&system| big_state(size, system)));
    }
    all.extend(systems.iter().map(|&system| loss(size, system)));
    for &n in growth_nodes(size) {
        all.extend(GROWING.iter().map(|&system| growth(size, system, n)));
    }
    all
}

const fn repetitions(size: Size, quick: u32, full: u32) -> u32 {
    match size {
        Size::Quick => quick,
        Size::Full => full,
    }
}

/// Numbers of nodes of the growth, beyond those of the joins.
pub(crate) const fn growth_nodes(size: Size) -> &'static [u32] {
    match size {
        Size::Quick => &[512],
        Size::Full => &[256, 512],
    }
}

fn join(size: Size, system: (&str, &str), n: u32) -> Measurement {
    let limit = repetitions(size, 15, 60);
    let arguments = format!("--only join --joinlimit {limit}");
    Measurement::new(Part::Join, system, n, u64::from(limit) + 60, arguments)
}

fn update(size: Size, system: (&str, &str), n: u32) -> Measurement {
    let arguments = match (system.0, size) {
        // The floor has no timers whose phase matters, and nothing that settles.
        ("floor", Size::Quick) => {
            "--settle 200 --idle 0 --updates 20 --window 100 --jitter 30 --limit 3".to_owned()
        }
        ("floor", Size::Full) => {
            "--settle 200 --idle 0 --updates 60 --window 100 --jitter 100 --limit 3".to_owned()
        }
        (_, Size::Quick) => {
            "--stagger 1000 --settle 3000 --idle 2 --updates 10 --window 250 --jitter 50 --limit 3 --joinlimit 20"
                .to_owned()
        }
        (_, Size::Full) => {
            "--stagger 1000 --settle 5000 --idle 10 --updates 30 --window 2000 --jitter 300 --limit 15".to_owned()
        }
    };
    Measurement::new(Part::Update, system, n, u64::from(repetitions(size, 90, 700)), arguments)
}

fn big_state(size: Size, system: (&str, &str)) -> Measurement {
    let (n, entries) = BIG_STATE;
    let rest = match size {
        Size::Quick => "--settle 1000 --rest 1000 --biglimit 8",
        Size::Full => "--settle 5000 --rest 5000 --biglimit 60",
    };
    let arguments = format!("--stagger 1000 --idle 0 --entries {entries} {rest}");
    Measurement::new(Part::BigState, system, n, 240, arguments)
}

fn loss(size: Size, system: (&str, &str)) -> Measurement {
    // Separate processes have sockets of their own, in which the harness cannot drop.
    let mode = if matches!(system.0, "serf" | "memberlist-go") { "all" } else { "each" };
    let length = match size {
        Size::Quick => "--settle 1000 --updates 10 --jitter 50 --limit 3",
        Size::Full => "--settle 5000 --updates 40 --jitter 300 --limit 15",
    };
    let arguments =
        format!("--stagger 1000 --idle 0 --marginal 0 --window 250 --loss 10,25 --lossmode {mode} {length}");
    let limit_s = u64::from(repetitions(size, 120, 1_500));
    Measurement::new(Part::Loss, system, NODES_WITH_LOSS, limit_s, arguments)
}

fn growth(size: Size, system: (&str, &str), n: u32) -> Measurement {
    let arguments = match size {
        Size::Quick => "--only join --joinlimit 10".to_owned(),
        Size::Full => {
            "--settle 15000 --idle 5 --updates 20 --window 500 --jitter 300 --limit 15 --marginal 0"
                .to_owned()
        }
    };
    Measurement::new(Part::Growth, system, n, u64::from(repetitions(size, 60, 500)), arguments)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_sizes_have_all_parts_of_gm_and_its_peers() {
        for size in [Size::Quick, Size::Full] {
            let all = measurements(size);
            for part in [Part::Join, Part::Update, Part::BigState, Part::Loss, Part::Growth] {
                for &(peer, cfg) in ALWAYS {
                    let system = System::new(peer, cfg);
                    assert!(
                        all.iter().any(|one| one.part == part && one.system == system),
                        "{part:?} {system:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn repetitions_alternate_between_the_systems() {
        let all = measurements(Size::Quick);
        let first: Vec<String> = all.iter().take(5).map(Measurement::name).collect();
        assert_eq!(
            first,
            [
                "join gm mcast 8",
                "join gm ucast 8",
                "join foca eager10 8",
                "join foca default 8",
                "join gm mcast 8"
            ]
        );
    }

    #[test]
    fn only_a_full_run_has_the_slower_systems() {
        let has = |size, peer: &str| measurements(size).iter().any(|one| one.system.peer == peer);
        for (peer, _) in MORE {
            assert!(!has(Size::Quick, peer) && has(Size::Full, peer), "{peer}");
        }
    }
}
