//! Similarity of names: suggests the setting that a misspelt name probably means.

/// The name that is most similar to a text.
pub(super) fn closest_name<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
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
        let names = || crate::daemon::config::settings::SETTINGS.iter().map(|known| known.name);
        assert_eq!(closest_name("multicast_ttl", names()), Some("multicast-ttl"));
        assert_eq!(closest_name("clutser", names()), Some("cluster"));
        assert_eq!(closest_name("seeds", names()), Some("seed"));
        assert_eq!((edit_distance("", "abc"), edit_distance("kitten", "sitting")), (3, 3));
    }
}
