//! Merges the sources of settings: flags, environment variables and a file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::closest_name::closest_name;
use super::setting::{ENVIRONMENT_PREFIX, Setting, SettingKind};
use super::settings::{SETTINGS, find_setting};
use super::values::{Switch, TextValue};
use super::{DaemonError, Flags};
use crate::Global;

/// Maximum size of a configuration file.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// Source of a value; the greater one takes precedence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SettingSource {
    File,
    Environment,
    Flag,
}

/// Value of a setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SettingValue {
    pub(crate) values: Vec<String>,
    pub(crate) source: SettingSource,
    /// The source as text: `--port`, `GROUP_MANAGER_PORT`, `port in gm.toml`.
    pub(crate) origin: String,
}

/// Merged values of the settings.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    values: BTreeMap<&'static str, SettingValue>,
    pub(crate) config: Option<PathBuf>,
}

/// Environment variables with the prefix of the settings.
pub(crate) fn environment() -> Vec<(String, Option<String>)> {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(ENVIRONMENT_PREFIX))?;
        Some((name, value.into_string().ok()))
    });
    ours.collect()
}

impl Layers {
    /// Merges the three sources.
    pub(crate) fn gather(
        global: &Global,
        flags: &Flags,
        environment: &[(String, Option<String>)],
        errors: &mut Vec<DaemonError>,
    ) -> Layers {
        let mut layers = Layers::default();
        let from_environment = read_environment(environment, errors);
        let named = |values: &[String]| values.first().map(PathBuf::from);
        let flag = flags.values.iter().find(|(name, _)| *name == "config");
        let variable = from_environment.iter().find(|(name, _)| *name == "config");
        layers.config = flag
            .and_then(|(_, values)| named(values))
            .or_else(|| variable.and_then(|(_, value)| named(&value.values)));
        if let Some(file) = layers.config.clone() {
            match read_file(&file) {
                Ok(values) => layers.values.extend(values),
                Err(mut wrong) => errors.append(&mut wrong),
            }
        }
        layers.values.extend(from_environment);
        let path = |path: &Path| vec![path.to_string_lossy().into_owned()];
        let globals = [
            ("data-dir", global.data_dir.as_deref().map(path)),
            ("api", global.api.clone().map(|api| vec![api])),
        ];
        let globals = globals.into_iter().filter_map(|(name, values)| Some((name, values?)));
        for (name, values) in flags.values.iter().cloned().chain(globals) {
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

    /// Value of a setting.
    pub(crate) fn get(&self, name: &str) -> Option<&SettingValue> {
        self.values.get(name)
    }

    /// Of several settings that exclude each other, the one from the source with the highest
    /// precedence. A switch that is off does not count.
    pub(crate) fn exclusive(
        &self,
        names: &[&'static str],
        errors: &mut Vec<DaemonError>,
    ) -> Option<(&'static str, &SettingValue)> {
        let is_off = |name: &str, value: &SettingValue| {
            let switch = find_setting(name).is_some_and(|known| known.kind == SettingKind::Switch);
            switch && value.values.first().is_some_and(|value| Switch::parse(value) == Ok(false))
        };
        let values = names.iter().filter_map(|name| Some((*name, self.get(name)?)));
        let mut values: Vec<_> = values.filter(|(name, value)| !is_off(name, value)).collect();
        values.sort_by_key(|(_, value)| std::cmp::Reverse(value.source));
        if let [(_, first), (_, second), ..] = &*values
            && first.source == second.source
        {
            let (one, other) = (&first.origin, &second.origin);
            errors.push(DaemonError::Usage(format!("{one} and {other} exclude each other: set one of them")));
        }
        values.first().copied()
    }
}

fn read_environment(
    environment: &[(String, Option<String>)],
    errors: &mut Vec<DaemonError>,
) -> Vec<(&'static str, SettingValue)> {
    let mut all = Vec::new();
    let names: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    for (name, value) in environment {
        let Some(known) = SETTINGS.iter().find(|known| known.variable() == *name) else {
            let nearest = closest_name(name, names.iter().map(String::as_str)).unwrap_or_default();
            errors.push(DaemonError::Usage(format!(
                "{name} in the environment is not a setting: is {nearest} meant? If another program sets it (Kubernetes does for a service called group-manager: enableServiceLinks), unset it"
            )));
            continue;
        };
        let Some(value) = value else {
            errors.push(DaemonError::Usage(format!("{name} in the environment is not UTF-8")));
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
        // An empty variable counts as unset.
        if !values.is_empty() {
            let value = SettingValue { values, source: SettingSource::Environment, origin: name.clone() };
            all.push((known.name, value));
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
    let (mut all, mut errors) = (Vec::new(), Vec::new());
    for (key, value) in table {
        match parse_key(&key, value) {
            Ok((known, values)) => {
                let values = values.into_iter().map(|value| relative_to(path, known, value)).collect();
                let origin = format!("`{}` in {file}", known.name);
                all.push((known.name, SettingValue { values, source: SettingSource::File, origin }));
            }
            Err(why) => errors.push(DaemonError::Usage(format!("`{key}` in {file} {why}"))),
        }
    }
    if errors.is_empty() { Ok(all) } else { Err(errors) }
}

/// Paths in a file are relative to the file, not to the working directory of the daemon.
fn relative_to(file: &Path, known: &Setting, value: String) -> String {
    let Some((prefix, path)) =
        known.path_prefix.and_then(|prefix| Some((prefix, value.strip_prefix(prefix)?)))
    else {
        return value;
    };
    match file.parent() {
        // An empty path is refused later.
        Some(dir) if !path.is_empty() => format!("{prefix}{}", dir.join(path).display()),
        _ => value,
    }
}

fn parse_key(key: &str, value: toml::Value) -> Result<(&'static Setting, Vec<String>), String> {
    let Some(known) = find_setting(key) else {
        let in_files = SETTINGS.iter().filter(|known| known.not_in_file.is_none());
        let nearest = closest_name(key, in_files.map(|known| known.name)).unwrap_or_default();
        return Err(format!("is not a setting: is `{nearest}` meant?"));
    };
    if let Some(why) = known.not_in_file {
        return Err(why.to_owned());
    }
    let scalar = |value: toml::Value| match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(is) => Ok(is.to_string()),
        other => {
            Err(format!("is of the type {}, and should be a text, a number, true or false", other.type_str()))
        }
    };
    let values = match (known.kind, value) {
        (SettingKind::List(_), toml::Value::Array(values)) => {
            values.into_iter().map(scalar).collect::<Result<Vec<_>, _>>()?
        }
        (SettingKind::Switch, toml::Value::Boolean(is)) => vec![is.to_string()],
        (SettingKind::Switch, _) => return Err("should be true or false".to_owned()),
        (_, value) => vec![scalar(value)?],
    };
    Ok((known, values))
}
