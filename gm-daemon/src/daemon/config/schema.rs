//! Table of all settings. The name of a setting is its flag and its key in the file; in upper case
//! with a prefix it is its environment variable.

/// Kind of a setting's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SettingKind {
    /// A single value.
    Single,
    /// Several values, separated by this character in the environment.
    List(char),
    /// True or false.
    Switch,
}

/// A setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) kind: SettingKind,
    /// The default, as text.
    pub(crate) default: &'static str,
}

const fn setting(name: &'static str, kind: SettingKind, default: &'static str) -> Setting {
    Setting { name, kind, default }
}

/// The settings, in the order of the output of `check`.
pub(crate) const SETTINGS: [Setting; 35] = [
    setting("cluster", SettingKind::Single, "(none: refused)"),
    setting("key-file", SettingKind::Single, "(none)"),
    setting("insecure-no-encryption", SettingKind::Switch, "false"),
    setting("data-dir", SettingKind::Single, "(none)"),
    setting("no-data-dir", SettingKind::Switch, "false"),
    setting("address", SettingKind::Single, "(the default route's, or the only one)"),
    setting("port", SettingKind::Single, "29999"),
    setting("bind", SettingKind::Single, "(the address)"),
    setting("interface", SettingKind::Single, "(the address's)"),
    setting("multicast", SettingKind::Single, "default"),
    setting("multicast-address", SettingKind::Single, "224.1.1.1"),
    setting("multicast-port", SettingKind::Single, "29999"),
    setting("multicast-ttl", SettingKind::Single, "4"),
    setting("seed", SettingKind::List(','), "(none)"),
    setting("single", SettingKind::Switch, "false"),
    setting("join", SettingKind::List(';'), "(none)"),
    setting("serve", SettingKind::List(';'), "(none)"),
    setting("keep-configured", SettingKind::Switch, "false"),
    setting("leave-on-exit", SettingKind::Switch, "false"),
    setting("api", SettingKind::Single, "(gm.sock in the data directory)"),
    setting("max-connections", SettingKind::Single, "1280"),
    setting("max-watchers", SettingKind::Single, "1024"),
    setting("max-groups", SettingKind::Single, "1024"),
    setting("max-known-groups", SettingKind::Single, "10000"),
    setting("max-records", SettingKind::Single, "100000"),
    setting("max-ranges", SettingKind::Single, "65536"),
    setting("max-group-ranges", SettingKind::Single, "4000000"),
    setting("max-writes", SettingKind::Single, "1024"),
    setting("max-waits", SettingKind::Single, "1024"),
    setting("watch-memory", SettingKind::Single, "64MiB"),
    setting("api-timeout", SettingKind::Single, "60s"),
    setting("log-level", SettingKind::Single, "info"),
    setting("log-format", SettingKind::Single, "text"),
    setting("config", SettingKind::Single, "(none)"),
    setting("key", SettingKind::Single, "(none)"),
];

/// Prefix of environment variables.
pub(crate) const ENVIRONMENT_PREFIX: &str = "GROUP_MANAGER_";

/// Finds a setting by name.
pub(crate) fn find_setting(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|known| known.name == name)
}

/// Environment variable of a setting.
pub(crate) fn environment_name(name: &str) -> String {
    format!("{ENVIRONMENT_PREFIX}{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// The name that is most similar to a text.
pub(crate) fn closest_name<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names.min_by_key(|name| edit_distance(text, name))
}

/// Levenshtein distance: the number of characters to insert, remove or replace.
fn edit_distance(one: &str, other: &str) -> usize {
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
    fn the_closest_name_is_suggested() {
        let names = || SETTINGS.iter().map(|known| known.name);
        assert_eq!(closest_name("multicast_ttl", names()), Some("multicast-ttl"));
        assert_eq!(closest_name("clutser", names()), Some("cluster"));
        assert_eq!(closest_name("seeds", names()), Some("seed"));
        assert_eq!((edit_distance("", "abc"), edit_distance("kitten", "sitting")), (3, 3));
    }
}
