//! Tests that settings, flags and commands named in messages exist. They scan the string literals
//! of this program and of the libraries below it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use crate::Program;
use crate::daemon::config::{limit_text, setting_for, settings};

/// Other names in messages, with their meaning.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("LimitFSIZE=", "systemd's"),
    ("LimitNOFILE=", "systemd's"),
    ("ulimit -f", "the shell's"),
    ("ulimit -n", "the shell's"),
    ("ss -xp", "a command of the system"),
    ("ls -l /proc/{}/fd", "a command of the system"),
    ("ip link set dev NAME multicast on", "a command of the system"),
    ("contacts", "a row of the database"),
    ("format", "a row of the database"),
    ("builder", "the builder's constructor"),
    ("data_dir", "a method of the builder"),
    ("ephemeral", "a method of the builder"),
    ("start", "a method of the builder"),
    ("limits", "a method of the builder"),
    ("timing", "a method of the builder"),
    ("broadcast_limits", "a method of the builder"),
    ("broadcast_timings", "a method of the builder"),
    ("enable_all", "a method of tokio"),
    ("off", "a value of `multicast`"),
    ("default", "a value of `multicast`"),
    ("all", "a value of `--wait`"),
    (",", "a separator"),
    (";", "a separator"),
    ("-", "standard input"),
    ("0x0-0x7fffffff", "a range"),
];

/// Names that a message may contain.
struct KnownNames {
    settings: BTreeSet<String>,
    /// Commands with their flags.
    commands: Vec<(String, BTreeSet<String>)>,
}

impl KnownNames {
    fn new() -> KnownNames {
        let program = Program::command();
        let flags = |command: &clap::Command| -> BTreeSet<String> {
            let all = command.get_arguments().chain(program.get_arguments());
            let of = |arg: &clap::Arg| -> Vec<String> {
                let aliases = arg.get_visible_aliases().unwrap_or_default();
                arg.get_long().into_iter().chain(aliases).map(ToOwned::to_owned).collect()
            };
            all.flat_map(of).chain(["help", "version"].map(ToOwned::to_owned)).collect()
        };
        let commands = program
            .get_subcommands()
            .map(|command| (command.get_name().to_owned(), flags(command)))
            .collect();
        KnownNames { settings: settings().map(ToOwned::to_owned).collect(), commands }
    }

    fn is_flag(&self, name: &str) -> bool {
        self.settings.contains(name) || self.commands.iter().any(|(_, flags)| flags.contains(name))
    }

    /// Names in a text that do not exist.
    fn unknown_names(&self, text: &str) -> Vec<String> {
        let mut wrong: Vec<String> =
            flags_in(text).filter(|flag| !self.is_flag(flag)).map(|flag| format!("--{flag}")).collect();
        for named in text.split('`').skip(1).step_by(2) {
            if !self.is_known(named) {
                wrong.push(format!("`{named}`"));
            }
        }
        wrong
    }

    fn is_known(&self, named: &str) -> bool {
        let blank = blank_placeholders(named);
        if OTHER_NAMES.iter().any(|(other, _)| *other == blank) || blank == "{}" {
            return true;
        }
        let mut words = named.split(' ').skip_while(|word| *word == "gm-node");
        let first = words.next().unwrap_or_default();
        let Some((_, flags)) = self.commands.iter().find(|(command, _)| command == first) else {
            return self.settings.contains(named);
        };
        flags_in(named).all(|flag| flags.contains(flag))
    }
}

/// Flags named in a text.
fn flags_in(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("--").filter_map(|(at, _)| {
        let is_begin = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        let rest = &text[at + 2..];
        let end = rest.find(|c: char| !(c.is_ascii_lowercase() || c == '-')).unwrap_or(rest.len());
        let name = rest[..end].trim_end_matches('-');
        (is_begin && !name.is_empty()).then_some(name)
    })
}

/// Replaces placeholders by `{}`.
fn blank_placeholders(text: &str) -> String {
    let (mut blank, mut depth) = (String::new(), 0_u32);
    for c in text.chars() {
        match c {
            '{' => depth += 1,
            '}' => {
                depth = depth.saturating_sub(1);
                blank.push_str("{}");
            }
            c if depth == 0 => blank.push(c),
            _ => {}
        }
    }
    blank
}

/// String literals of a source file with their lines, without those in tests and comments.
fn literals(source: &str) -> Vec<(usize, String)> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let bytes: Vec<char> = source.chars().collect();
    let (mut all, mut at, mut line) = (Vec::new(), 0, 1);
    let is =
        |at: usize, text: &str| text.chars().enumerate().all(|(step, c)| bytes.get(at + step) == Some(&c));
    while at < bytes.len() {
        let begin = line;
        if is(at, "//") {
            while at < bytes.len() && bytes[at] != '\n' {
                at += 1;
            }
        } else if is(at, "r#\"") {
            let start = at + 3;
            at = start;
            while at < bytes.len() && !is(at, "\"#") {
                line += usize::from(bytes[at] == '\n');
                at += 1;
            }
            all.push((begin, bytes[start..at].iter().collect()));
            at += 2;
        } else if bytes[at] == '"' {
            let mut text = String::new();
            at += 1;
            while at < bytes.len() && bytes[at] != '"' {
                // The meaning of an escape does not matter: names have none.
                let step = if bytes[at] == '\\' { 2 } else { 1 };
                text.extend(bytes.get(at).filter(|_| step == 1));
                line += bytes[at..bytes.len().min(at + step)].iter().filter(|c| **c == '\n').count();
                at += step;
            }
            all.push((begin, text));
            at += 1;
        } else if is(at, "'\"'") || is(at, "'\\\"'") || is(at, "'\\\\'") || is(at, "'\\''") {
            at += if bytes[at + 1] == '\\' { 4 } else { 3 };
        } else {
            line += usize::from(bytes[at] == '\n');
            at += 1;
        }
    }
    all
}

/// Source files below a folder, without those of tests.
fn sources(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && !["laws", "tests"].contains(&&*name) {
            sources(&path, all);
        } else if name.ends_with(".rs") && !["tests.rs", "laws.rs", "message_tests.rs"].contains(&&*name) {
            all.push(path);
        }
    }
}

#[test]
fn names_in_texts_exist() {
    let names = KnownNames::new();
    let mut wrong = Vec::new();
    let (mut texts, mut naming) = (0, 0);
    for name in ["gm-daemon", "gm-node", "gm-broadcast", "gm-codec", "gm-data", "gm-clock"] {
        let mut files = Vec::new();
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name).join("src"), &mut files);
        for file in files {
            for (line, text) in literals(&fs::read_to_string(&file).unwrap()) {
                texts += 1;
                naming += usize::from(text.contains('`') || text.contains("--"));
                wrong.extend(
                    names
                        .unknown_names(&text)
                        .into_iter()
                        .map(|what| format!("{}:{line}: {what}", file.display())),
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(texts > 1_000 && naming > 90, "too few texts were found: {texts}, {naming}");
}

#[test]
fn names_in_help_exist() {
    let names = KnownNames::new();
    let mut program = Program::command();
    let helps: Vec<String> =
        program.get_subcommands_mut().map(|command| command.render_long_help().to_string()).collect();
    assert!(helps.len() > 20);
    for help in helps {
        let wrong = names.unknown_names(&help);
        assert!(wrong.is_empty(), "{wrong:?} in {help}");
    }
}

/// The placeholders of refusals and warnings are filled with limits.
#[test]
fn limits_are_named_by_their_setting() {
    let names = KnownNames::new();
    let fields = [
        "groups",
        "contacts",
        "records",
        "items",
        "group_items",
        "writes",
        "waits",
        "watchers",
        "watch_bytes",
    ];
    for field in fields {
        assert_eq!(names.unknown_names(&limit_text(field)), Vec::<String>::new());
        assert!(setting_for(field).is_none_or(|setting| names.settings.contains(setting)), "{field}");
    }
    assert_eq!(setting_for("items"), Some("max-ranges"));
    assert_eq!(limit_text("records"), "records of present, former and forgotten members, `max-records`");
}

#[test]
fn an_unknown_name_is_found() {
    let names = KnownNames::new();
    for (text, wrong) in [
        ("raise the bound `records`", &["`records`"][..]),
        ("set `seed` (--seed HOST:PORT), or --seeds X", &["--seeds"]),
        (
            "`gm-node forget {me} --group {group}` or `gm-node forget --cluster x`",
            &["`gm-node forget --cluster x`"],
        ),
        ("see `groups`, `members {group}` and `{}`; a--b, 1 -- 2", &[]),
        ("`gm-node fly`", &["`gm-node fly`"]),
    ] {
        assert_eq!(names.unknown_names(text), wrong, "{text}");
    }
    let source = "// \"no\"\nlet a = \"one `x`\"; let b = '\"'; let c = r#\"two \"quoted\"\"#;\nlet d = \"three\\\n  \\\"four\";\n\
                  #[cfg(test)]\nmod tests {\n\"five\"";
    let found: Vec<(usize, String)> = literals(source);
    let texts: Vec<(usize, &str)> = found.iter().map(|(line, text)| (*line, &**text)).collect();
    assert_eq!(texts, [(2, "one `x`"), (2, "two \"quoted\""), (3, "three  four")]);
}
