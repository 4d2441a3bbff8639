//! Who says what: flags, the environment, a file; and which of them counts. Knows no setting's meaning.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::known::{KNOWN, Kind, PREFIX, in_environment, nearest, of_name};
use super::{Flags, Trouble};
use crate::Global;

/// Bytes of a configuration file, at most.
const LONGEST: u64 = 1 << 20;

/// Who says something; the greater counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    File,
    Environment,
    Flag,
}

/// What was said of one setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) values: Vec<String>,
    pub(crate) source: Source,
    /// Where, in words: `--port`, `GROUP_MANAGER_PORT`, `port in gm.toml`.
    pub(crate) place: String,
}

/// What was said, by the names of the settings: for each who counts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layers {
    said: BTreeMap<&'static str, Said>,
    pub(crate) config: Option<PathBuf>,
}

/// What the environment says that is for us.
pub(crate) fn environment() -> Vec<(String, Option<String>)> {
    let ours = std::env::vars_os().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with(PREFIX))?;
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
        troubles: &mut Vec<Trouble>,
    ) -> Layers {
        let mut layers = Layers::default();
        let from_environment = read_environment(environment, troubles);
        let flag = flags.config.clone();
        let named = || from_environment.iter().find(|(name, _)| *name == "config");
        layers.config = flag.or_else(|| named().and_then(|(_, said)| said.values.first()).map(PathBuf::from));
        if let Some(file) = layers.config.clone() {
            match read_file(&file) {
                Ok(said) => layers.said.extend(said),
                Err(mut wrong) => troubles.append(&mut wrong),
            }
        }
        layers.said.extend(from_environment);
        let path = |path: &Path| vec![path.to_string_lossy().into_owned()];
        let globals = [
            ("config", flags.config.as_deref().map(path)),
            ("data-dir", global.data_dir.as_deref().map(path)),
            ("api", global.api.clone().map(|api| vec![api])),
        ];
        let globals = globals.into_iter().filter_map(|(name, values)| Some((name, values?)));
        for (name, values) in flags.said().into_iter().chain(globals) {
            layers.said.insert(name, Said { values, source: Source::Flag, place: format!("--{name}") });
        }
        if global.json {
            let json =
                Said { values: vec!["json".to_owned()], source: Source::Flag, place: "--json".to_owned() };
            layers.said.entry("log-format").or_insert(json);
        }
        layers
    }

    /// What was said of a setting by who counts.
    pub(crate) fn of(&self, name: &str) -> Option<&Said> {
        self.said.get(name)
    }

    /// Of some settings that exclude each other the one that counts: the greatest who says one. A switch that is said to be off says nothing.
    pub(crate) fn one_of(
        &self,
        names: &[&'static str],
        troubles: &mut Vec<Trouble>,
    ) -> Option<(&'static str, &Said)> {
        let is_off = |name: &str, said: &Said| {
            let switch = of_name(name).is_some_and(|known| known.kind == Kind::Switch);
            switch && said.values.first().is_some_and(|value| switch_of(value) == Some(false))
        };
        let said = names.iter().filter_map(|name| Some((*name, self.of(name)?)));
        let mut said: Vec<_> = said.filter(|(name, said)| !is_off(name, said)).collect();
        said.sort_by_key(|(_, said)| std::cmp::Reverse(said.source));
        if let [(_, first), (_, second), ..] = &*said
            && first.source == second.source
        {
            let (one, other) = (&first.place, &second.place);
            troubles.push(Trouble::Usage(format!("{one} and {other} exclude each other: say one of them")));
        }
        said.first().copied()
    }
}

/// Yes or no, as text.
pub(crate) fn switch_of(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn read_environment(
    environment: &[(String, Option<String>)],
    troubles: &mut Vec<Trouble>,
) -> Vec<(&'static str, Said)> {
    let mut all = Vec::new();
    let names: Vec<String> = KNOWN.iter().map(|known| in_environment(known.name)).collect();
    for (name, value) in environment {
        let Some(known) = KNOWN.iter().find(|known| in_environment(known.name) == *name) else {
            let nearest = nearest(name, names.iter().map(String::as_str)).unwrap_or_default();
            troubles.push(Trouble::Usage(format!(
                "{name} in the environment is no setting: is {nearest} meant? If something else sets it (Kubernetes does for a service called group-manager: enableServiceLinks), unset it"
            )));
            continue;
        };
        let Some(value) = value else {
            troubles.push(Trouble::Usage(format!("{name} in the environment is not UTF-8")));
            continue;
        };
        let values: Vec<String> = match known.kind {
            Kind::Many(part) => value
                .split(part)
                .map(str::trim)
                .filter(|part| !part.is_empty())
                .map(ToOwned::to_owned)
                .collect(),
            Kind::One | Kind::Switch if value.is_empty() => Vec::new(),
            Kind::One | Kind::Switch => vec![value.clone()],
        };
        // What is empty is not said.
        if !values.is_empty() {
            let said = Said { values, source: Source::Environment, place: name.clone() };
            all.push((known.name, said));
        }
    }
    all
}

fn read_file(path: &Path) -> Result<Vec<(&'static str, Said)>, Vec<Trouble>> {
    let file = path.display();
    let (text, _) = super::read(path, LONGEST)
        .map_err(|error| vec![Trouble::Refused(format!("cannot read `config` {file}: {error}"))])?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        vec![Trouble::Usage(format!("`config` {file}, line {line}: {}", error.message()))]
    })?;
    let (mut all, mut troubles) = (Vec::new(), Vec::new());
    for (key, value) in table {
        match of_key(&key, value) {
            Ok((name, values)) => {
                let values = values.into_iter().map(|value| beside(path, name, value)).collect();
                let place = format!("`{name}` in {file}");
                all.push((name, Said { values, source: Source::File, place }));
            }
            Err(why) => troubles.push(Trouble::Usage(format!("`{key}` in {file} {why}"))),
        }
    }
    if troubles.is_empty() { Ok(all) } else { Err(troubles) }
}

/// Paths in a file are relative to the file, not to the working directory of the daemon.
fn beside(file: &Path, name: &str, value: String) -> String {
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

fn of_key(key: &str, value: toml::Value) -> Result<(&'static str, Vec<String>), String> {
    // A key does not belong in a file that is shown around, and a file names no other.
    let in_files = || KNOWN.iter().filter(|known| !["key", "config"].contains(&known.name));
    if key == "key" {
        return Err("is not read: put the key in a file of its own, and name that by `key-file`".to_owned());
    }
    let Some(known) = in_files().find(|known| known.name == key) else {
        let nearest = nearest(key, in_files().map(|known| known.name)).unwrap_or_default();
        return Err(format!("is no setting: is `{nearest}` meant?"));
    };
    let scalar = |value: toml::Value| match value {
        toml::Value::String(text) => Ok(text),
        toml::Value::Integer(number) => Ok(number.to_string()),
        toml::Value::Boolean(is) => Ok(is.to_string()),
        other => Err(format!("is a {}, and should be a text, a number, true or false", other.type_str())),
    };
    let values = match (known.kind, value) {
        (Kind::Many(_), toml::Value::Array(values)) => {
            values.into_iter().map(scalar).collect::<Result<Vec<_>, _>>()?
        }
        (Kind::Switch, toml::Value::Boolean(is)) => vec![is.to_string()],
        (Kind::Switch, _) => return Err("should be true or false".to_owned()),
        (_, value) => vec![scalar(value)?],
    };
    Ok((known.name, values))
}
