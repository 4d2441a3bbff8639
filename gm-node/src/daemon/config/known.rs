//! Every setting of the daemon by its name, which is its flag, its key in a file, and, in another spelling, its name in the environment. Knows no value.

/// How often a setting may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Once.
    One,
    /// Often; in the environment parted by this character.
    Many(char),
    /// Yes or no.
    Switch,
}

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// What it is if nobody says anything, in words.
    pub(crate) default: &'static str,
}

const fn known(name: &'static str, kind: Kind, default: &'static str) -> Known {
    Known { name, kind, default }
}

/// All of them, in the order in which they are shown.
pub(crate) const KNOWN: [Known; 35] = [
    known("cluster", Kind::One, "(none: refused)"),
    known("key-file", Kind::One, "(none)"),
    known("insecure-no-encryption", Kind::Switch, "false"),
    known("data-dir", Kind::One, "(none)"),
    known("no-data-dir", Kind::Switch, "false"),
    known("address", Kind::One, "(the default route's, or the only one)"),
    known("port", Kind::One, "29999"),
    known("bind", Kind::One, "(the address)"),
    known("interface", Kind::One, "(the address's)"),
    known("multicast", Kind::One, "default"),
    known("multicast-address", Kind::One, "224.1.1.1"),
    known("multicast-port", Kind::One, "29999"),
    known("multicast-ttl", Kind::One, "4"),
    known("seed", Kind::Many(','), "(none)"),
    known("single", Kind::Switch, "false"),
    known("join", Kind::Many(';'), "(none)"),
    known("serve", Kind::Many(';'), "(none)"),
    known("keep-configured", Kind::Switch, "false"),
    known("leave-on-exit", Kind::Switch, "false"),
    known("api", Kind::One, "(gm.sock in the data directory)"),
    known("max-connections", Kind::One, "1280"),
    known("max-watchers", Kind::One, "1024"),
    known("max-groups", Kind::One, "1024"),
    known("max-known-groups", Kind::One, "10000"),
    known("max-records", Kind::One, "100000"),
    known("max-ranges", Kind::One, "65536"),
    known("max-group-ranges", Kind::One, "4000000"),
    known("max-writes", Kind::One, "1024"),
    known("max-waits", Kind::One, "1024"),
    known("watch-memory", Kind::One, "64MiB"),
    known("api-timeout", Kind::One, "60s"),
    known("log-level", Kind::One, "info"),
    known("log-format", Kind::One, "text"),
    known("config", Kind::One, "(none)"),
    known("key", Kind::One, "(none)"),
];

/// How names in the environment begin.
pub(crate) const PREFIX: &str = "GROUP_MANAGER_";

/// The setting of that name.
pub(crate) fn of_name(name: &str) -> Option<&'static Known> {
    KNOWN.iter().find(|known| known.name == name)
}

/// The name of a setting in the environment.
pub(crate) fn in_environment(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The name that is most like a text, among some.
pub(crate) fn nearest<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.min_by_key(|name| distance(text, name))
}

/// How many characters must be put in, taken out or changed to make one text of another.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, a) in one.chars().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], line + 1);
        for (column, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_the_one_that_was_meant() {
        let names = || KNOWN.iter().map(|known| known.name);
        assert_eq!(nearest("multicast_ttl", names()), Some("multicast-ttl"));
        assert_eq!(nearest("clutser", names()), Some("cluster"));
        assert_eq!(nearest("seeds", names()), Some("seed"));
        assert_eq!((distance("", "abc"), distance("kitten", "sitting")), (3, 3));
    }
}
