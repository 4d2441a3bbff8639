//! Description of one setting: its name, its sources, its text for the help, and the field of the
//! options that it sets. The name is the flag and the key in the file; in upper case with a prefix
//! it is the environment variable.

use super::options::Options;
use super::values::{Switch, TextValue};

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

/// Definition of a setting's flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FlagKind {
    /// A flag of `run` and `check`.
    Own,
    /// A flag of every command, see [`Global`](crate::Global).
    Global,
    /// No flag: the setting is an environment variable only.
    None,
}

/// A field of [`Options`] that a setting sets.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field {
    /// Parses a value and sets the field; a list receives one value after the other.
    pub(crate) set: fn(&mut Options, &str) -> Result<(), String>,
    /// The field as text, for the default.
    pub(crate) show: fn(&Options) -> String,
    /// Name of the limit in [`NodeLimits`](gm_node::NodeLimits), if the field is one.
    pub(crate) limit: Option<&'static str>,
}

/// Text for a default that is no value.
pub(super) const NO_VALUE: &str = "(none)";

/// The [`Field`] at a path in [`Options`], whose value is parsed and shown as a type.
macro_rules! field {
    ($type:ty, $($path:ident).+) => {
        Field {
            set: |options, text| {
                options.$($path).+ = <$type as TextValue>::parse(text)?;
                Ok(())
            },
            show: |options| <$type as TextValue>::show(&options.$($path).+),
            limit: None,
        }
    };
}

/// The [`Field`] of a value whose default has no text of its own.
macro_rules! unshown {
    ($type:ty, $($path:ident).+) => {
        Field {
            set: |options, text| {
                options.$($path).+ = parse::<$type>(text)?.into();
                Ok(())
            },
            show: |_| NO_VALUE.to_owned(),
            limit: None,
        }
    };
}

/// The [`Field`] of a list, which is empty by default.
macro_rules! list {
    ($type:ty, $($path:ident).+) => {
        Field {
            set: |options, text| {
                options.$($path).+.push(parse::<$type>(text)?);
                Ok(())
            },
            show: |_| NO_VALUE.to_owned(),
            limit: None,
        }
    };
}

/// The [`Field`] of a limit of the node.
macro_rules! limit {
    ($type:ty, $limit:ident) => {
        Field { limit: Some(stringify!($limit)), ..field!($type, limits.node.$limit) }
    };
}

/// The table of settings: for each the help as doc comment, the name, and the other columns.
macro_rules! settings {
    ($($(#[doc = $help:literal])* $name:literal => $setting:expr;)*) => {
        &[$(Setting { name: $name, help: concat!($($help, "\n"),*), ..$setting }),*]
    };
}

pub(super) use {field, limit, list, settings, unshown};

/// A setting.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    pub(crate) kind: SettingKind,
    pub(crate) flag: FlagKind,
    /// Form of the value in the help.
    pub(crate) form: &'static str,
    /// Heading of the flag in the help.
    pub(crate) heading: Option<&'static str>,
    /// Text of the flag in the help, in lines: the first paragraph for `-h`, all for `--help`.
    pub(crate) help: &'static str,
    /// Another name of the flag.
    pub(crate) alias: Option<&'static str>,
    /// The field that it sets. `None` if its value depends on other settings: see
    /// `config/resolved.rs`.
    pub(crate) field: Option<Field>,
    /// Text for the default, if it is not that of the field.
    pub(super) shown_default: Option<&'static str>,
    /// Whether a configuration file may contain it, and if not, why.
    pub(crate) not_in_file: Option<&'static str>,
    /// In a file, the value is a path after this prefix, relative to the file.
    pub(crate) path_prefix: Option<&'static str>,
    /// Whether `check` hides its value.
    pub(crate) is_secret: bool,
    /// Whether a reload applies it.
    pub(crate) is_reloaded: bool,
}

/// A setting with a single value of this form.
pub(super) const fn single(form: &'static str) -> Setting {
    Setting {
        name: "",
        help: "",
        kind: SettingKind::Single,
        form,
        flag: FlagKind::Own,
        heading: None,
        alias: None,
        field: None,
        shown_default: None,
        not_in_file: None,
        path_prefix: None,
        is_secret: false,
        is_reloaded: false,
    }
}

/// A setting with several values of this form, separated by a character in the environment.
pub(super) const fn several(separator: char, form: &'static str) -> Setting {
    Setting { kind: SettingKind::List(separator), ..single(form) }
}

/// A setting that is true or false.
pub(super) const fn switch() -> Setting {
    Setting { kind: SettingKind::Switch, ..single("") }
}

impl Setting {
    pub(super) const fn sets(self, field: Field) -> Setting {
        Setting { field: Some(field), ..self }
    }

    pub(super) const fn default(self, text: &'static str) -> Setting {
        Setting { shown_default: Some(text), ..self }
    }

    pub(super) const fn under(self, heading: &'static str) -> Setting {
        Setting { heading: Some(heading), ..self }
    }

    pub(super) const fn path(self, prefix: &'static str) -> Setting {
        Setting { path_prefix: Some(prefix), ..self }
    }

    pub(super) const fn reloaded(self) -> Setting {
        Setting { is_reloaded: true, ..self }
    }

    /// The default as text; in parentheses if it is no value.
    pub(crate) fn default_text(&self) -> String {
        match (self.shown_default, &self.field, self.kind) {
            (Some(text), ..) => text.to_owned(),
            (None, Some(field), _) => (field.show)(&Options::default()),
            (None, None, SettingKind::Switch) => Switch::show(&false),
            (None, None, _) => NO_VALUE.to_owned(),
        }
    }

    /// Environment variable of the setting.
    pub(crate) fn variable(&self) -> String {
        format!("{ENVIRONMENT_PREFIX}{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

/// Prefix of environment variables.
pub(crate) const ENVIRONMENT_PREFIX: &str = "GROUP_MANAGER_";
