//! The settings as flags of `run` and `check`. Values remain text until they are merged with the
//! environment and the configuration file.

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::setting::{FlagKind, Setting, SettingKind};
use super::settings::SETTINGS;

/// Name of the flag that is no setting.
const EXIT_WITH_STDIN: &str = "exit-with-stdin";

/// Flags of `run` and `check`, besides those of every command.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    /// The given values, by setting.
    pub(crate) values: Vec<(&'static str, Vec<String>)>,
    /// Shut down at the end of standard input.
    pub(crate) exit_with_stdin: bool,
}

fn own_flags() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter().filter(|setting| setting.flag == FlagKind::Own)
}

/// The help of a flag: its first paragraph with the default, and all of it.
fn help(setting: &Setting) -> (String, String) {
    let lines: Vec<&str> = setting.help.lines().map(str::trim).collect();
    let mut paragraphs = lines.split(|line| line.is_empty()).map(|lines| lines.join(" "));
    let mut short = paragraphs.next().unwrap_or_default();
    let default = setting.default_text();
    let shown = default.strip_prefix('(').and_then(|text| text.strip_suffix(')')).unwrap_or(&default);
    if setting.kind == SettingKind::Single && !shown.starts_with("none") {
        short.push_str(&format!(" [default: {shown}]"));
    }
    let long = paragraphs.fold(short.clone(), |long, paragraph| format!("{long}\n\n{paragraph}"));
    (short, long)
}

fn flag(setting: &'static Setting) -> Arg {
    let (short, long) = help(setting);
    let action = match setting.kind {
        SettingKind::Single => ArgAction::Set,
        SettingKind::List(_) => ArgAction::Append,
        SettingKind::Switch => ArgAction::SetTrue,
    };
    let flag = Arg::new(setting.name).long(setting.name).action(action).help(short).long_help(long);
    let flag = flag.visible_aliases(setting.alias);
    let flag = if setting.form.is_empty() { flag } else { flag.value_name(setting.form) };
    flag.help_heading(setting.heading)
}

impl Args for Flags {
    fn augment_args(command: Command) -> Command {
        let last = Arg::new(EXIT_WITH_STDIN).long(EXIT_WITH_STDIN).action(ArgAction::SetTrue).hide(true);
        command.args(own_flags().map(flag)).arg(last)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Flags::augment_args(command)
    }
}

impl FromArgMatches for Flags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Flags, clap::Error> {
        let values = |setting: &Setting| -> Vec<String> {
            match setting.kind {
                SettingKind::Switch if matches.get_flag(setting.name) => vec!["true".to_owned()],
                SettingKind::Switch => Vec::new(),
                _ => matches.get_many(setting.name).into_iter().flatten().cloned().collect(),
            }
        };
        let all = own_flags().map(|setting| (setting.name, values(setting)));
        Ok(Flags {
            values: all.filter(|(_, values)| !values.is_empty()).collect(),
            exit_with_stdin: matches.get_flag(EXIT_WITH_STDIN),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Flags::from_arg_matches(matches)?;
        Ok(())
    }
}
