//! What earlier starts wrote because the configuration said so, kept in a small file of the data directory: so that a start with other settings knows what to
//! withdraw, and leaves alone what commands wrote. Knows no node.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use gm_data::{GroupName, KeyRange};
use serde_json::{Value, json};

use super::config::{Joining, Serving};

/// Version of what is written. A later one is not read.
const FORMAT: u64 = 1;
/// Bytes of the file that are read.
const LONGEST: u64 = 64 << 20;

/// What is said of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Says {
    Interest,
    Serve { port: u16, priority: u16 },
}

/// A range of a group, as the configuration says it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) group: GroupName,
    pub(super) range: KeyRange,
    pub(super) says: Says,
}

/// Everything that the configuration says, sorted. A group that is joined without ranges is of interest as a whole.
pub(super) fn entries(joins: &[Joining], serves: &[Serving]) -> Vec<Entry> {
    let mut all = Vec::new();
    for Joining { group, ranges } in joins {
        let ranges = if ranges.is_empty() { &[KeyRange::WHOLE][..] } else { ranges };
        let interest = |range: &KeyRange| Entry { group: group.clone(), range: *range, says: Says::Interest };
        all.extend(ranges.iter().map(interest));
    }
    for Serving { group, range, port, priority } in serves {
        let says = Says::Serve { port: *port, priority: *priority };
        all.push(Entry { group: group.clone(), range: *range, says });
    }
    all.sort();
    all.dedup();
    all
}

/// What is to be done in a group because the configuration no longer says something.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Ranges that stand as the configuration wrote them.
    pub(super) withdrawn: Vec<KeyRange>,
    /// Ranges of which a command has said something else since, and what: they stay.
    pub(super) changed: Vec<(KeyRange, Says)>,
    /// Nothing of ours is left, and the configuration no longer names the group.
    pub(super) leaves: bool,
    /// Nothing of ours is left, and the configuration names the group: these are to be of interest.
    pub(super) rejoins: Vec<KeyRange>,
}

/// Compares what was remembered of a group with what the configuration says now, and with what stands in our record after that was applied.
pub(super) fn plan(
    group: &GroupName,
    remembered: &[Entry],
    wanted: &[Entry],
    own: &BTreeMap<KeyRange, Says>,
) -> Plan {
    let of_group = |entries: &[Entry]| -> Vec<Entry> {
        entries.iter().filter(|entry| entry.group == *group).cloned().collect()
    };
    let (remembered, wanted) = (of_group(remembered), of_group(wanted));
    let mut plan = Plan::default();
    for entry in &remembered {
        let range = entry.range;
        let is_wanted = wanted.iter().any(|wanted| wanted.range == range);
        let is_done = plan.withdrawn.contains(&range) || plan.changed.iter().any(|(done, _)| *done == range);
        let Some(stands) = own.get(&range).filter(|_| !is_wanted && !is_done) else { continue };
        let wrote = |other: &Entry| other.range == range && other.says == *stands;
        if remembered.iter().any(wrote) {
            plan.withdrawn.push(range);
        } else {
            plan.changed.push((range, *stands));
        }
    }
    if !plan.withdrawn.is_empty() && own.keys().all(|range| plan.withdrawn.contains(range)) {
        plan.leaves = wanted.is_empty();
        let interests = wanted.iter().filter(|entry| entry.says == Says::Interest);
        plan.rejoins = interests.map(|entry| entry.range).collect();
    }
    plan
}

/// The file.
#[derive(Clone, Debug)]
pub(super) struct Memory(PathBuf);

impl Memory {
    /// In that data directory.
    pub(super) fn of(dir: &Path) -> Memory {
        Memory(dir.join("configured.json"))
    }

    /// What it holds; nothing if there is none. What cannot be read is as if it were not there, and the log says so.
    pub(super) fn read(&self) -> Vec<Entry> {
        let read = || -> std::io::Result<String> {
            let mut text = String::new();
            std::fs::File::open(&self.0)?.take(LONGEST).read_to_string(&mut text)?;
            Ok(text)
        };
        let why = match read() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
            Err(error) => error.to_string(),
            Ok(text) => match parsed(&text) {
                Ok((entries, 0)) => return entries,
                Ok((entries, wrong)) => {
                    tracing::warn!("{}: {wrong} entries are not understood, and left out", self.0.display());
                    return entries;
                }
                Err(why) => why,
            },
        };
        tracing::warn!(
            "{} is not read ({why}): what earlier starts wrote from their configuration, and this one does not say, stays. Withdraw it with `unserve` or `leave`",
            self.0.display()
        );
        Vec::new()
    }

    /// Replaces what it holds: wholly or not at all.
    pub(super) fn write(&self, entries: &[Entry]) -> std::io::Result<()> {
        let entries: Vec<Value> = entries.iter().map(as_json).collect();
        let text = format!("{}\n", json!({ "version": FORMAT, "entries": entries }));
        let unnamed = self.0.with_extension("new");
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unnamed)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&unnamed, &self.0)?;
        std::fs::File::open(self.0.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn as_json(Entry { group, range, says }: &Entry) -> Value {
    let (group, start, end) = (group.as_str(), range.start(), range.end());
    match says {
        Says::Interest => json!({ "group": group, "start": start, "end": end }),
        Says::Serve { port, priority } => {
            json!({ "group": group, "start": start, "end": end, "port": port, "priority": priority })
        }
    }
}

/// The entries that are understood, and how many are not.
fn parsed(text: &str) -> Result<(Vec<Entry>, usize), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match value["version"].as_u64() {
        Some(1..=FORMAT) => {}
        Some(later) => return Err(format!("its format is {later}, and this program knows {FORMAT}")),
        None => return Err("it names no version".to_owned()),
    }
    let all = value["entries"].as_array().ok_or("it has no entries")?;
    let mut entries: Vec<Entry> = all.iter().filter_map(entry).collect();
    let wrong = all.len() - entries.len();
    entries.sort();
    entries.dedup();
    Ok((entries, wrong))
}

fn entry(value: &Value) -> Option<Entry> {
    let number = |name: &str| value[name].as_u64();
    let key = |name: &str| u32::try_from(number(name)?).ok();
    let small = |name: &str| u16::try_from(number(name)?).ok();
    let says = match value.get("port") {
        None => Says::Interest,
        Some(_) => Says::Serve { port: small("port")?, priority: small("priority")? },
    };
    let group = GroupName::new(value["group"].as_str()?).ok()?;
    Some(Entry { group, range: KeyRange::new(key("start")?, key("end")?).ok()?, says })
}

#[cfg(test)]
mod tests;
