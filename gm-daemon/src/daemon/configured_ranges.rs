//! Remembers in a small file of the data directory which ranges came from the configuration
//! (`join`, `serve`). So a start with other settings can withdraw those that are no longer
//! configured, and leave alone what commands wrote.

use std::collections::BTreeMap;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use gm_data::{GroupName, KeyRange};
use gm_node::file;
use serde_json::{Value, json};

use super::config::{JoinSpec, ServeSpec};

/// Version of the file's format. A later one is not read.
const FORMAT: u64 = 1;
/// Maximum size of the file.
const MAX_FILE_BYTES: u64 = 64 << 20;

/// Use of a configured range.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum RangeUse {
    Interest,
    Serve { port: u16, priority: u16 },
}

/// A configured range of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ConfiguredRange {
    pub(super) group: GroupName,
    pub(super) range: KeyRange,
    pub(super) range_use: RangeUse,
}

/// Returns the configured ranges, sorted. Joining a group without ranges is an interest in the
/// whole key space.
pub(super) fn configured_ranges(joins: &[JoinSpec], serves: &[ServeSpec]) -> Vec<ConfiguredRange> {
    let mut all = Vec::new();
    for JoinSpec { group, ranges } in joins {
        let ranges = if ranges.is_empty() { &[KeyRange::WHOLE][..] } else { ranges };
        let interest = |range: &KeyRange| ConfiguredRange {
            group: group.clone(),
            range: *range,
            range_use: RangeUse::Interest,
        };
        all.extend(ranges.iter().map(interest));
    }
    for ServeSpec { group, range, port, priority } in serves {
        let range_use = RangeUse::Serve { port: *port, priority: *priority };
        all.push(ConfiguredRange { group: group.clone(), range: *range, range_use });
    }
    all.sort();
    all.dedup();
    all
}

/// Actions for the ranges of a group that are no longer configured.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct WithdrawalPlan {
    /// Ranges that still stand as they were configured: these are withdrawn.
    pub(super) withdrawn: Vec<KeyRange>,
    /// Ranges that a command has changed since, with what it wrote: these stay.
    pub(super) changed: Vec<(KeyRange, RangeUse)>,
    /// Whether the node leaves the group: it has no other range in it, and the group is no longer
    /// configured.
    pub(super) leaves: bool,
    /// New interests of the node, if it has no other range in the group but the group is still
    /// configured.
    pub(super) rejoins: Vec<KeyRange>,
}

/// Compares the ranges of a group that were remembered with those that are configured now, and with
/// the node's own record after those were applied.
pub(super) fn plan_withdrawal(
    group: &GroupName,
    remembered: &[ConfiguredRange],
    wanted: &[ConfiguredRange],
    own: &BTreeMap<KeyRange, RangeUse>,
) -> WithdrawalPlan {
    let of_group = |entries: &[ConfiguredRange]| -> Vec<ConfiguredRange> {
        entries.iter().filter(|entry| entry.group == *group).cloned().collect()
    };
    let (remembered, wanted) = (of_group(remembered), of_group(wanted));
    let mut plan = WithdrawalPlan::default();
    for entry in &remembered {
        let range = entry.range;
        let is_wanted = wanted.iter().any(|wanted| wanted.range == range);
        let is_done = plan.withdrawn.contains(&range) || plan.changed.iter().any(|(done, _)| *done == range);
        let Some(stands) = own.get(&range).filter(|_| !is_wanted && !is_done) else { continue };
        let wrote = |other: &ConfiguredRange| other.range == range && other.range_use == *stands;
        if remembered.iter().any(wrote) {
            plan.withdrawn.push(range);
        } else {
            plan.changed.push((range, *stands));
        }
    }
    if !plan.withdrawn.is_empty() && own.keys().all(|range| plan.withdrawn.contains(range)) {
        plan.leaves = wanted.is_empty();
        let interests = wanted.iter().filter(|entry| entry.range_use == RangeUse::Interest);
        plan.rejoins = interests.map(|entry| entry.range).collect();
    }
    plan
}

/// The file with the remembered ranges.
#[derive(Clone, Debug)]
pub(super) struct ConfiguredFile(PathBuf);

impl ConfiguredFile {
    /// The file in a data directory.
    pub(super) fn in_dir(dir: &Path) -> ConfiguredFile {
        ConfiguredFile(dir.join("configured.json"))
    }

    /// Reads the remembered ranges. Without a file there are none; if it cannot be read, that is
    /// logged.
    pub(super) fn read(&self) -> Vec<ConfiguredRange> {
        let why =
            match file::read_regular(&self.0, MAX_FILE_BYTES).and_then(|(bytes, _)| file::utf8_text(bytes)) {
                Err(error) if error.kind() == ErrorKind::NotFound => return Vec::new(),
                Err(error) => error.to_string(),
                Ok(text) => match parsed(&text) {
                    Ok((entries, 0)) => return entries,
                    Ok((entries, wrong)) => {
                        tracing::warn!("{}: {wrong} entries are invalid and ignored", self.0.display());
                        return entries;
                    }
                    Err(why) => why,
                },
            };
        tracing::warn!(
            "{} is not read ({why}): ranges that were configured by earlier starts and no longer are remain. Withdraw them with `unserve` or `leave`",
            self.0.display()
        );
        Vec::new()
    }

    /// Replaces the file, atomically.
    pub(super) fn write(&self, entries: &[ConfiguredRange]) -> std::io::Result<()> {
        let entries: Vec<Value> = entries.iter().map(as_json).collect();
        let text = format!("{}\n", json!({ "version": FORMAT, "entries": entries }));
        let unnamed = self.0.with_extension("new");
        match std::fs::remove_file(&unnamed) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create_new(true);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&unnamed)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&unnamed, &self.0)?;
        std::fs::File::open(self.0.parent().unwrap_or(Path::new(".")))?.sync_all()
    }
}

fn as_json(ConfiguredRange { group, range, range_use }: &ConfiguredRange) -> Value {
    let (group, start, end) = (group.as_str(), range.start(), range.end());
    match range_use {
        RangeUse::Interest => json!({ "group": group, "start": start, "end": end }),
        RangeUse::Serve { port, priority } => {
            json!({ "group": group, "start": start, "end": end, "port": port, "priority": priority })
        }
    }
}

/// The valid entries, and the number of others.
fn parsed(text: &str) -> Result<(Vec<ConfiguredRange>, usize), String> {
    let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    match value["version"].as_u64() {
        Some(1..=FORMAT) => {}
        Some(later) => return Err(format!("its format is {later}, and this program supports {FORMAT}")),
        None => return Err("it names no version".to_owned()),
    }
    let all = value["entries"].as_array().ok_or("it has no entries")?;
    let mut entries: Vec<ConfiguredRange> = all.iter().filter_map(entry).collect();
    let wrong = all.len() - entries.len();
    entries.sort();
    entries.dedup();
    Ok((entries, wrong))
}

fn entry(value: &Value) -> Option<ConfiguredRange> {
    let number = |name: &str| value[name].as_u64();
    let key = |name: &str| u32::try_from(number(name)?).ok();
    let small = |name: &str| u16::try_from(number(name)?).ok();
    let range_use = match value.get("port") {
        None => RangeUse::Interest,
        Some(_) => RangeUse::Serve { port: small("port")?, priority: small("priority")? },
    };
    let group = GroupName::new(value["group"].as_str()?).ok()?;
    Some(ConfiguredRange { group, range: KeyRange::new(key("start")?, key("end")?).ok()?, range_use })
}

#[cfg(test)]
mod tests;
