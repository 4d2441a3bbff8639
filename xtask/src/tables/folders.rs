//! Table of folders whose files form a hierarchy: no file uses another that uses it, directly or
//! not.

/// A folder of modules. Its root is the module of the same name.
#[derive(Debug)]
pub(crate) struct Folder {
    /// Path of the folder, without the slash at its end.
    pub(crate) path: &'static str,
    /// Modules of the folder that are, with the root, the parts of one type: they count as one
    /// file.
    pub(crate) root_parts: &'static [&'static str],
    /// Modules that all others may use. Every other module is a component, and components do not
    /// use each other. `None` if the folder has no components.
    pub(crate) shared: Option<&'static [&'static str]>,
    /// Pairs of files that still use each other: their number may only fall. While there are some,
    /// longer circles are allowed too.
    pub(crate) mutual_pairs: usize,
}

/// The folders whose files form a hierarchy.
pub(crate) const FOLDERS: &[Folder] = &[
    Folder {
        path: "gm-node/src/node",
        root_parts: &["follow_ups", "queries", "start"],
        shared: Some(&["action", "context", "hosting", "messages", "sponsor", "timers"]),
        mutual_pairs: 0,
    },
    // All its files implement one type, the broadcaster, and call each other's methods.
    Folder { path: "gm-broadcast/src/broadcaster", root_parts: &[], shared: None, mutual_pairs: 45 },
];
