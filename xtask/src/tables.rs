//! The rules as data: which crate may use which, what is banned and why, which licences are
//! allowed.
//!
//! Only constants; the checks that read them are in `layers`, `deps` and `tidy`.

use crate::mutants::MutatedCrate;

/// What one crate of the workspace may depend on.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) name: &'static str,
    /// Workspace crates it may use.
    pub(crate) internal: &'static [&'static str],
    /// Workspace crates only its tests may use, besides those above.
    pub(crate) internal_dev: &'static [&'static str],
    /// For a pure crate (no `std`, so no sockets, clocks, threads or files): the outside crates it
    /// may use.
    pub(crate) pure: Option<&'static [&'static str]>,
    /// Whether a run in which it executes no test is a failure.
    pub(crate) tested: bool,
}

impl Layer {
    pub(crate) fn is_pure(&self) -> bool {
        self.pure.is_some()
    }
}

/// One row per crate of the workspace, from the bottom up.
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
        // Its compressor needs `std`; nothing else in it does.
        pure: None,
        tested: true,
    },
    Layer {
        name: "gm-broadcast",
        internal: &["gm-clock", "gm-data", "gm-codec"],
        internal_dev: &[],
        // The machine is as pure as the crates below; its runtime is not.
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
        // Its worlds: whole nodes in virtual time.
        internal_dev: &["gm-sim"],
        pure: None,
        tested: true,
    },
    Layer { name: "xtask", internal: &[], internal_dev: &[], pure: None, tested: true },
];

/// A name that must not be written in some sources.
#[derive(Debug)]
pub(crate) struct BannedName {
    /// A path, or a macro with its exclamation mark. Any path that contains it is caught.
    pub(crate) name: &'static str,
    pub(crate) why: &'static str,
    /// Whether it is banned in test-only modules as well.
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
const ORDER: &str = "nothing is iterated in an unnamed order; use an ordered collection";
const THREADS: &str = "a pure crate starts no thread";
const OUTSIDE: &str = "a pure crate does not see files or the environment";
const PRINTING: &str = "a pure crate prints nothing";

/// What the pure crates must not name.
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

/// What the crates that are not pure must not name outside of tests.
pub(crate) const WALL_CLOCK: &[BannedName] = &[
    outside_tests("SystemTime", WALL),
    outside_tests("UNIX_EPOCH", WALL),
    outside_tests("axum::serve", "it puts the date into answers, and fails on a clock before 1970"),
    outside_tests("hyper::server", "it puts the date into answers, and fails on a clock before 1970"),
];

/// The one file of a crate that is not pure that reads the wall clock, and the crate whose programs
/// no user runs.
pub(crate) const WALL_CLOCK_IN: &[&str] = &["gm-broadcast/src/runtime/clock.rs", "xtask/"];

/// A part of the tree that does not use some names, although the crate as a whole may.
#[derive(Debug)]
pub(crate) struct Boundary {
    /// Beginnings of the paths of the part.
    pub(crate) within: &'static [&'static str],
    /// Beginnings of paths that are no part of it.
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

/// What a module may not name, beyond what its crate may not.
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
            outside_tests("crate::daemon", LOWER),
            outside_tests("crate::cli", LOWER),
        ],
    },
    Boundary {
        within: &["gm-node/src/handle"],
        except: &[],
        names: &[outside_tests("crate::daemon", LOWER), outside_tests("crate::cli", LOWER)],
    },
    Boundary {
        within: &["gm-sim/src/"],
        except: &["gm-sim/src/broadcast", "gm-sim/src/main.rs"],
        names: &[outside_tests("Broadcaster", NO_PROTOCOL), outside_tests("crate::broadcast", NO_PROTOCOL)],
    },
];

/// Names that several public types have, each with the reason.
pub(crate) const SHARED_TYPE_NAMES: &[(&str, &str)] = &[];

/// Folders whose types may have the names of others: a shape of the daemon's JSON is named after
/// what it shows.
pub(crate) const MIRRORS: &[&str] = &["gm-node/src/api"];

/// The tests that own files of vectors: each makes its files anew, and compares them or writes
/// them.
pub(crate) const VECTOR_TESTS: &[&str] =
    &["fingerprint", "hashes", "number_vectors", "payload_vectors", "vectors"];

/// A crate all of whose mutants are tried, by all of its tests.
const fn whole(package: &'static str) -> MutatedCrate {
    MutatedCrate { package, files: &[], features: "--all-features", programs: "", quick: true, without: &[] }
}

/// The crates whose mutants are tried: the pure ones whole, of the others the small machines that
/// have tests of their own.
pub(crate) const MUTATED: &[MutatedCrate] = &[
    whole("gm-clock"),
    MutatedCrate {
        package: "gm-data",
        files: &[],
        features: "--all-features",
        programs: "",
        // Few histories find what ten thousand do, as far as planted bugs show.
        quick: false,
        without: &[
            "properties::histories_agree_with_the_model_and_heal",
            "properties::planted_bugs::every_planted_bug_is_found",
        ],
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
            "payload_registry.rs",
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
            "node/anti_entropy/shared_groups.rs",
            "node/waiter",
            "rendezvous.rs",
            "store/memory",
        ],
        features: "--no-default-features --features disk",
        programs: "--lib --test node --test store",
        quick: false,
        without: &[],
    },
];

/// A source file longer than this has more than one subject.
pub(crate) const MAX_LINES: usize = 400;

/// A comment that is wider is cut off in a view of two columns.
pub(crate) const MAX_COMMENT: usize = 100;

/// The longest name of a test.
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

/// Words that begin a doc comment without a noun.
pub(crate) const FRAGMENT: &[&str] = &[
    "Who", "What", "Whose", "Whom", "How", "When", "Where", "That", "All", "One", "Those", "Nothing",
    "Nobody", "None", "Why", "As", "So",
];

/// What is left in a file while work goes on. Built in two parts, or this table would catch itself.
pub(crate) const MARKERS: &[&str] = &[
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("X", "XX"),
    concat!("to", "do!"),
    concat!("unimple", "mented!"),
    concat!("db", "g!"),
];

/// A folder beside the checkout that nothing here may read.
pub(crate) const OUTSIDE_FOLDER: &str = concat!("..", "/shared");

/// Beginnings of paths that exist on one machine only.
pub(crate) const MACHINE_PATHS: &[&str] =
    &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/")];

/// Licences a dependency may ask us to accept.
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

/// Licences besides, of what only the fuzz targets link: libFuzzer has that of LLVM before 2019.
pub(crate) const LICENCES_OF_FUZZING: &[&str] = &["NCSA"];

/// Crates that must not appear anywhere in the graph, with the reason.
pub(crate) const BANNED_CRATES: &[(&str, &str)] = &[
    ("openssl", "binds a C library of the system"),
    ("openssl-sys", "binds a C library of the system"),
    ("native-tls", "binds a C library of the system"),
    ("async-std", "discontinued, and there is one runtime only"),
    ("chrono", "dates and time zones are not ours; time is a number"),
    ("failure", "discontinued; errors are thiserror enums"),
    ("error-chain", "discontinued; errors are thiserror enums"),
    ("rustc-serialize", "discontinued; serde replaced it"),
    ("structopt", "discontinued; clap replaced it"),
    ("atty", "unmaintained; std::io::IsTerminal replaced it"),
    ("instant", "unmaintained, and time is an argument"),
];

/// Crates that may appear in several versions, with the reason. A row that is no longer needed is
/// an error.
pub(crate) const DUPLICATES: &[(&str, &str)] = &[
    ("getrandom", "ring, the daemon's cipher, is on 0.2; we draw by rand's"),
    ("syn", "zerocopy-derive, below criterion, is not on serde's version yet; runs at build time only"),
    ("windows-sys", "ring, the daemon's cipher, is on 0.52; not compiled here"),
];
