//! Tables of the rules: allowed dependencies between crates, banned names and crates with reasons,
//! allowed licences.
//!
//! The checks that read these constants are in `layers`, `deps`, `tidy` and `mutants`.

mod folders;

use crate::mutants::MutatedCrate;

pub(crate) use folders::{FOLDERS, Folder};

/// Allowed dependencies of one workspace crate.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    /// Workspace crates it may use.
    pub(crate) internal: &'static [&'static str],
    /// Workspace crates that only its tests may use, in addition to `internal`.
    pub(crate) internal_dev: &'static [&'static str],
    /// For a pure crate (no `std`, so no sockets, clocks, threads or files): the external crates it
    /// may use. `None` for other crates.
    pub(crate) pure: Option<&'static [&'static str]>,
    /// Whether a test run in which the crate executes no test is a failure.
    pub(crate) tested: bool,
}

impl Layer {
    pub(crate) fn is_pure(&self) -> bool {
        self.pure.is_some()
    }
}

/// The layers: a row per crate of the workspace, from the bottom up.
pub(crate) const LAYERS: &[Layer] = &[
    Layer {
        name: "gm-clock",
        internal: &[],
        internal_dev: &[],
        pure: Some(&["serde", "thiserror"]),
        tested: true,
    },
    Layer {
        name: "gm-data",
        internal: &["gm-clock"],
        internal_dev: &[],
        pure: Some(&["serde", "thiserror"]),
        tested: true,
    },
    Layer {
        name: "gm-codec",
        internal: &["gm-clock", "gm-data"],
        internal_dev: &[],
        // Only its compressor needs `std`.
        pure: None,
        tested: true,
    },
    Layer {
        name: "gm-broadcast",
        internal: &["gm-clock", "gm-data", "gm-codec"],
        // For its conversations: simulations of a few broadcasters.
        internal_dev: &["gm-sim"],
        // Its state machine is as pure as the crates below; its runtime is not.
        pure: None,
        tested: true,
    },
    Layer {
        name: "gm-sim",
        internal: &["gm-clock", "gm-codec", "gm-broadcast"],
        internal_dev: &[],
        pure: None,
        tested: true,
    },
    Layer {
        name: "gm-node",
        internal: &["gm-clock", "gm-data", "gm-codec", "gm-broadcast"],
        // For its worlds: simulations of whole nodes in virtual time.
        internal_dev: &["gm-sim"],
        pure: None,
        tested: true,
    },
    Layer {
        name: "gm-daemon",
        internal: &["gm-clock", "gm-data", "gm-codec", "gm-broadcast", "gm-node"],
        internal_dev: &[],
        pure: None,
        tested: true,
    },
    // It drives built programs and uses no crate of gm.
    Layer { name: "gm-net-scenes", internal: &[], internal_dev: &[], pure: None, tested: true },
    Layer {
        name: "gm-node-sim",
        internal: &["gm-clock", "gm-data", "gm-codec", "gm-broadcast", "gm-node", "gm-sim"],
        internal_dev: &[],
        pure: None,
        tested: true,
    },
    Layer { name: "xtask", internal: &[], internal_dev: &[], pure: None, tested: true },
];

/// A name that some source files must not use.
#[derive(Debug)]
pub(crate) struct BannedName {
    /// A path, or a macro with its exclamation mark. Any path that contains it is a finding.
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    /// Whether the ban includes test-only modules.
    pub(crate) in_tests: bool,
}

const fn never(name: &'static str, why: &'static str) -> BannedName {
    BannedName { name, why, in_tests: true }
}

const fn outside_tests(name: &'static str, why: &'static str) -> BannedName {
    BannedName { name, why, in_tests: false }
}

const SOCKETS: &str = "a pure crate opens no socket";
const CLOCKS: &str = "time is an argument, never read";
const ORDER: &str = "iteration order must be defined; use an ordered collection";
const THREADS: &str = "a pure crate starts no thread";
const OUTSIDE: &str = "a pure crate does not see files or the environment";
const PRINTING: &str = "a pure crate prints nothing";

/// Names that the pure crates must not use.
pub(crate) const BANNED_NAMES: &[BannedName] = &[
    never("TcpStream", SOCKETS),
    never("TcpListener", SOCKETS),
    never("UdpSocket", SOCKETS),
    never("tokio", SOCKETS),
    never("mio", SOCKETS),
    never("Instant", CLOCKS),
    never("SystemTime", CLOCKS),
    never("HashMap", ORDER),
    never("HashSet", ORDER),
    outside_tests("std::thread", THREADS),
    outside_tests("thread::spawn", THREADS),
    outside_tests("std::fs", OUTSIDE),
    outside_tests("std::env", OUTSIDE),
    outside_tests("print!", PRINTING),
    outside_tests("println!", PRINTING),
    outside_tests("eprint!", PRINTING),
    outside_tests("eprintln!", PRINTING),
];

const WALL: &str = "the wall clock may show any time, before 1970 and after 2106 too: it is read in one place, see `WALL_CLOCK_IN`";

/// Names that the other crates must not use outside of tests.
pub(crate) const WALL_CLOCK: &[BannedName] = &[
    outside_tests("SystemTime", WALL),
    outside_tests("UNIX_EPOCH", WALL),
    outside_tests("axum::serve", "it puts the date into answers, and fails on a clock before 1970"),
    outside_tests("hyper::server", "it puts the date into answers, and fails on a clock before 1970"),
];

/// Path prefixes where `WALL_CLOCK` does not apply: the one file that reads the wall clock, and
/// programs that users do not run.
pub(crate) const WALL_CLOCK_IN: &[&str] = &["gm-broadcast/src/runtime/clock.rs", "gm-net-scenes/", "xtask/"];

/// A part of a crate that must not use some names, although the crate as a whole may.
#[derive(Debug)]
pub(crate) struct Boundary {
    /// Path prefixes of the part.
    pub(crate) within: &'static [&'static str],
    /// Path prefixes that are exempt.
    pub(crate) except: &'static [&'static str],
    pub(crate) names: &'static [BannedName],
}

impl Boundary {
    pub(crate) fn contains(&self, path: &str) -> bool {
        let begins = |list: &[&str]| list.iter().any(|begin| path.starts_with(begin));
        begins(self.within) && !begins(self.except)
    }
}

const MACHINE: &str = "a state machine does no I/O: its runtime does";
const LOWER: &str = "a lower part of the crate does not use an upper one";
const NO_PROTOCOL: &str = "the generic simulator drives any machine and names none";

/// Names that a part of a crate must not use, in addition to those that its crate must not use.
pub(crate) const BOUNDARIES: &[Boundary] = &[
    Boundary {
        within: &["gm-codec/src/", "gm-broadcast/src/"],
        except: &["gm-broadcast/src/runtime"],
        names: &[
            outside_tests("tokio", MACHINE),
            outside_tests("std::net::UdpSocket", MACHINE),
            outside_tests("std::net::TcpStream", MACHINE),
            outside_tests("std::thread", MACHINE),
            outside_tests("std::fs", MACHINE),
            outside_tests("Instant", MACHINE),
            outside_tests("HashMap", ORDER),
            outside_tests("HashSet", ORDER),
            outside_tests("crate::runtime", LOWER),
        ],
    },
    Boundary {
        within: &["gm-node/src/node", "gm-node/src/groups", "gm-node/src/store/memory"],
        except: &[],
        names: &[
            outside_tests("tokio", MACHINE),
            outside_tests("std::thread", MACHINE),
            outside_tests("std::fs", MACHINE),
            outside_tests("Instant", MACHINE),
            outside_tests("HashMap", ORDER),
            outside_tests("HashSet", ORDER),
            outside_tests("crate::handle", LOWER),
        ],
    },
    Boundary {
        within: &["gm-sim/src/"],
        except: &["gm-sim/src/broadcast", "gm-sim/src/main.rs"],
        names: &[
            outside_tests("Broadcaster", NO_PROTOCOL),
            outside_tests("BroadcastMachine", NO_PROTOCOL),
            outside_tests("crate::broadcast", NO_PROTOCOL),
        ],
    },
];

/// Names that several public types may share, each with the reason.
pub(crate) const SHARED_TYPE_NAMES: &[(&str, &str)] = &[];

/// Folders whose types may share names with other types: a type of the daemon's JSON has the name
/// of the type that it represents.
pub(crate) const MIRRORS: &[&str] = &["gm-daemon/src/api"];

/// The tests that own vector files: each computes its files, and compares or writes them.
pub(crate) const VECTOR_TESTS: &[&str] =
    &["fingerprint", "hashes", "number_vectors", "payload_vectors", "vectors"];

/// A crate of which every mutant is tried with all of its tests.
const fn whole(package: &'static str) -> MutatedCrate {
    MutatedCrate { package, files: &[], features: "--all-features", programs: "", quick: true, without: &[] }
}

/// The crates whose mutants are tried: all files of the pure crates, and in the others the small
/// machines that have tests of their own.
pub(crate) const MUTATED: &[MutatedCrate] = &[
    whole("gm-clock"),
    MutatedCrate {
        package: "gm-data",
        files: &[],
        features: "--all-features",
        programs: "",
        quick: false,
        // Few histories find the same mutations as ten thousand.
        without: &["properties::histories_agree_with_the_model_and_heal"],
    },
    whole("gm-codec"),
    MutatedCrate {
        package: "gm-broadcast",
        files: &[
            "timers.rs",
            "rng.rs",
            "latency_class.rs",
            "loss_recovery.rs",
            "reception.rs",
            "islands.rs",
            "connections.rs",
            "peer_status.rs",
            "peers.rs",
            "plan.rs",
            "postal.rs",
            "token_bucket.rs",
            "datagram_path.rs",
            "retransmit_cache.rs",
            "ack_aggregation.rs",
            "unopened.rs",
            "dedup.rs",
        ],
        features: "--no-default-features",
        programs: "--lib --test conversations",
        quick: true,
        without: &[],
    },
    MutatedCrate {
        package: "gm-node",
        files: &[
            "dump.rs",
            "groups/contacts.rs",
            "groups/discovery.rs",
            "groups/admission.rs",
            "node/anti_entropy/lagging.rs",
            "node/anti_entropy/freshness.rs",
            "node/anti_entropy/partner.rs",
            "node/registration/unresponsive.rs",
            "node/anti_entropy/group_tree.rs",
            "node/anti_entropy/shared_groups.rs",
            "node/dissemination/waiter",
            "rendezvous.rs",
            "store/memory",
        ],
        features: "--no-default-features --features disk",
        programs: "--lib --test node --test store",
        quick: false,
        without: &[],
    },
];

/// Maximum number of lines of a source file. A longer file has more than one subject.
pub(crate) const MAX_LINES: usize = 400;

/// Maximum width of a comment line in columns. A wider one is cut off in a side-by-side view.
pub(crate) const MAX_COMMENT: usize = 100;

/// Maximum length of a test name in characters.
pub(crate) const MAX_TEST_NAME: usize = 55;

/// Phrases that make prose hard to read, each with the name of its count in `xtask/prose.toml`.
pub(crate) const PROSE: &[(&str, &str)] = &[
    ("whoever", r"\b(?i:whoever|whom|whomever)\b"),
    (
        "headless-who",
        r"(?:^|[.;:,(] )[Ww]ho (?:is|are|has|have|was|were|knows|holds|left|leaves|joins|asks|missed|does|can|may|needs|writes|hears|heard|sends)\b",
    ),
    ("is-said", r"\b(?:is|are|was|were|be|been|being) (?:said|told)\b"),
    ("so-many", r"\b[Ss]o (?:many|long|often|much)(?:$|[^a-z ]| (?:[^ta]|t[^h]|a[^s]))"),
    ("somebody", r"\b(?i:somebody|nobody|everybody|anybody|something)\b"),
    ("knows-nothing", r"\b[Kk]nows (?:no|nothing)\b"),
];

/// Words that begin a doc comment without a noun, as a bare fragment.
pub(crate) const FRAGMENT: &[&str] = &[
    "Who", "What", "Whose", "Whom", "How", "When", "Where", "That", "All", "One", "Those", "Nothing",
    "Nobody", "None", "Why", "As", "So",
];

/// Markers of unfinished work. Each is written in two parts, so that this table has no findings.
pub(crate) const MARKERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("db", "g!"),
];

/// A folder beside the checkout that no file may refer to.
pub(crate) const OUTSIDE_FOLDER: &str = concat!("..", "/shared");

/// Prefixes of paths that exist on one machine only.
pub(crate) const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Licences that a dependency may have.
pub(crate) const LICENCES: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    "Unicode-3.0",
    "Unlicense",
    "BSL-1.0",
    "CC0-1.0",
    "0BSD",
    "MIT-0",
];

/// Additional licences for dependencies of the fuzz targets alone: libFuzzer has the licence of
/// LLVM before 2019.
pub(crate) const LICENCES_OF_FUZZING: &[&str] = &["NCSA"];

/// Additional licences for the peers in `bench/peers`, which are built and never distributed.
pub(crate) const LICENCES_OF_PEERS: &[&str] = &["MPL-2.0"];

/// Crates that must not be dependencies, direct or indirect, with the reason.
pub(crate) const BANNED_CRATES: &[(&str, &str)] = &[
    ("openssl", "binds a C library of the system"),
    ("openssl-sys", "binds a C library of the system"),
    ("native-tls", "binds a C library of the system"),
    ("async-std", "discontinued, and tokio is the only runtime"),
    ("chrono", "gm has no dates and time zones; time is a number"),
    ("failure", "discontinued; errors are thiserror enums"),
    ("error-chain", "discontinued; errors are thiserror enums"),
    ("rustc-serialize", "discontinued; serde replaced it"),
    ("structopt", "discontinued; clap replaced it"),
    ("atty", "unmaintained; std::io::IsTerminal replaced it"),
    ("instant", "unmaintained, and time is an argument"),
];

/// Crates that may be present in several versions, with the reason. A row that is no longer needed
/// is an error.
pub(crate) const DUPLICATES: &[(&str, &str)] = &[
    ("getrandom", "ring, the daemon's cipher library, is on 0.2; gm uses the version of rand"),
    (
        "syn",
        "zerocopy-derive, a dependency of criterion, is not on serde's version yet; runs at build time only",
    ),
    ("windows-sys", "ring, the daemon's cipher library, is on 0.52; not compiled on Linux"),
];
