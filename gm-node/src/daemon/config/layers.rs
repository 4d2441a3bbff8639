//! Who says what: flags, the environment, a file; and which of them counts. Knows no setting's
//! meaning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::schema::{
    ENVIRONMENT_PREFIX, SETTINGS, SettingKind, closest_name, environment_name, find_setting,
};
use super::{DaemonError, Flags};
use crate::Global;

/// Bytes of a configuration file, at most.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Who says something; the greater counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SettingSource {
    File,
    Environment,
    Flag,
}

/// What was said of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettingValue {
    pub(crate) values: Vec<String>,
    pub(crate) source: SettingSource,
    /// Where, in words: `--port`, `GROUP_MANAGER_PORT`, `port in gm.toml`.
    pub(crate) origin: String,
}

/// What was said, by the names of the settings: for each who counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    values: BTreeMap<&'static str, SettingValue>,
    pub(crate) config: Option<PathBuf>,
}

/// What the environment says that is for us.
pub(crate) fn environment() -> Vec<(String, Option<String>)> {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(ENVIRONMENT_PREFIX))?;
        Some((name, value.into_string().ok()))
    });
    ours.collect()
}

impl Layers {
    /// Gathers all three.
    pub(crate) fn gather(
        global: &Global,
        flags: &Flags,
        environment: &[(String, Option<String>)],
        troubles: &mut Vec<DaemonError>,
    ) -> Layers {
        let mut layers = Layers::default();
        let from_environment = read_environment(environment, troubles);
        let flag = flags.config.clone();
        let named = || from_environment.iter().find(|(name, _)| *name == "config");
        layers.config = flag.or_else(|| named().and_then(|(_, said)| said.values.first()).map(PathBuf::from));
        if let Some(file) = layers.config.clone() {
            match read_file(&file) {
                Ok(said) => layers.values.extend(said),
                Err(mut wrong) => troubles.append(&mut wrong),
            }
        }
        layers.values.extend(from_environment);
        let path = |path: &Path| vec![path.to_string_lossy().into_owned()];
        let globals = [
            ("config", flags.config.as_deref().map(path)),
            ("data-dir", global.data_dir.as_deref().map(path)),
            ("api", global.api.clone().map(|api| vec![api])),
        ];
        let globals = globals.into_iter().filter_map(|(name, values)| Some((name, values?)));
        for (name, values) in flags.values().into_iter().chain(globals) {
            layers.values.insert(
                name,
                SettingValue { values, source: SettingSource::Flag, origin: format!("--{name}") },
            );
        }
        if global.json {
            let json = SettingValue {
                values: vec!["json".to_owned()],
                source: SettingSource::Flag,
                origin: "--json".to_owned(),
            };
            layers.values.entry("log-format").or_insert(json);
        }
        layers
    }

    /// What was said of a setting by who counts.
    pub(crate) fn get(&self, name: &str) -> Option<&SettingValue> {
        self.values.get(name)
    }

    /// Of some settings that exclude each other the one that counts: the greatest who says one. A
    /// switch that is said to be off says nothing.
    pub(crate) fn exclusive(
        &self,
        names: &[&'static str],
        troubles: &mut Vec<DaemonError>,
    ) -> Option<(&'static str, &SettingValue)> {
        let is_off = |name: &str, said: &SettingValue| {
            let switch = find_setting(name).is_some_and(|known| known.kind == SettingKind::Switch);
            switch && said.values.first().is_some_and(|value| parse_switch(value) == Some(false))
        };
        let said = names.iter().filter_map(|name| Some((*name, self.get(name)?)));
        let mut said: Vec<_> = said.filter(|(name, said)| !is_off(name, said)).collect();
        said.sort_by_key(|(_, said)| std::cmp::Reverse(said.source));
        if let [(_, first), (_, second), ..] = &*said
            && first.source == second.source
        {
            let (one, other) = (&first.origin, &second.origin);
            troubles
                .push(DaemonError::Usage(format!("{one} and {other} exclude each other: say one of them")));
        }
        said.first().copied()
    }
}

/// Yes or no, as text.
pub(crate) fn parse_switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn read_environment(
    environment: &[(String, Option<String>)],
    troubles: &mut Vec<DaemonError>,
) -> Vec<(&'static str, SettingValue)> {
    let mut all = Vec::new();
    let names: Vec<String> = SETTINGS.iter().map(|known| environment_name(known.name)).collect();
    for (name, value) in environment {
        let Some(known) = SETTINGS.iter().find(|known| environment_name(known.name) == *name) else {
            let nearest = closest_name(name, names.iter().map(String::as_str)).unwrap_or_default();
            troubles.push(DaemonError::Usage(format!(
                "{name} in the environment is no setting: is {nearest} meant? If something else sets it (Kubernetes does for a service called group-manager: enableServiceLinks), unset it"
            )));
            continue;
        };
        let Some(value) = value else {
            troubles.push(DaemonError::Usage(format!("{name} in the environment is not UTF-8")));
            continue;
        };
        let values: Vec<String> = match known.kind {
            SettingKind::List(part) => value
                .split(part)
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(ToOwned::to_owned)
                .collect(),
            SettingKind::Single | SettingKind::Switch if value.is_empty() => Vec::new(),
            SettingKind::Single | SettingKind::Switch => vec![value.clone()],
        };
        // What is empty is not said.
        if !values.is_empty() {
            let said = SettingValue { values, source: SettingSource::Environment, origin: name.clone() };
            all.push((known.name, said));
        }
    }
    all
}

fn read_file(path: &Path) -> Result<Vec<(&'static str, SettingValue)>, Vec<DaemonError>> {
    let file = path.display();
    let (text, _) = super::read_text(path, MAX_FILE_BYTES)
        .map_err(|error| vec![DaemonError::Refused(format!("cannot read `config` {file}: {error}"))])?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        vec![DaemonError::Usage(format!("`config` {file}, line {line}: {}", error.message()))]
    })?;
    let (mut all, mut troubles) = (Vec::new(), Vec::new());
    for (key, value) in table {
        match parse_key(&key, value) {
            Ok((name, values)) => {
                let values = values.into_iter().map(|value| relative_to(path, name, value)).collect();
                let place = format!("`{name}` in {file}");
                all.push((name, SettingValue { values, source: SettingSource::File, origin: place }));
            }
            Err(why) => troubles.push(DaemonError::Usage(format!("`{key}` in {file} {why}"))),
        }
    }
    if troubles.is_empty() { Ok(all) } else { Err(troubles) }
}

/// Paths in a file are relative to the file, not to the working directory of the daemon.
fn relative_to(file: &Path, name: &str, value: String) -> String {
    let (kind, path) = match name {
        "key-file" | "data-dir" => ("", value.as_str()),
        "api" if value.starts_with("unix:") => value.split_at("unix:".len()),
        _ => return value,
    };
    match file.parent() {
        // What is empty is no path, and is refused as such.
        Some(dir) if !path.is_empty() => format!("{kind}{}", dir.join(path).display()),
        _ => value,
    }
}

fn parse_key(key: &str, value: toml::Value) -> Result<(&'static str, Vec<String>), String> {
    // A key does not belong in a file that is shown around, and a file names no other.
    let in_files = || SETTINGS.iter().filter(|known| !["key", "config"].contains(&known.name));
    if key == "key" {
        return Err("is not read: put the key in a file of its own, and name that by `key-file`".to_owned());
    }
    let Some(known) = in_files().find(|known| known.name == key) else {
        let nearest = closest_name(key, in_files().map(|known| known.name)).unwrap_or_default();
        return Err(format!("is no setting: is `{nearest}` meant?"));
    };
    let scalar = |value: toml::Value| match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(is) => Ok(is.to_string()),
        other => Err(format!("is a {}, and should be a text, a number, true or false", other.type_str())),
    };
    let values = match (known.kind, value) {
        (SettingKind::List(_), toml::Value::Array(values)) => {
            values.into_iter().map(scalar).collect::<Result<Vec<_>, _>>()?
        }
        (SettingKind::Switch, toml::Value::Boolean(is)) => vec![is.to_string()],
        (SettingKind::Switch, _) => return Err("should be true or false".to_owned()),
        (_, value) => vec![scalar(value)?],
    };
    Ok((known.name, values))
}
