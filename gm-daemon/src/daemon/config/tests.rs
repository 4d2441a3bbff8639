//! Tests of the precedence of sources, and of refusals with their messages.

use std::path::PathBuf;

use gm_broadcast::runtime::Multicast;

use super::resolved::rows;
use super::resolver::Resolver;
use super::*;
use crate::Global;

/// Sources of settings in a test.
#[derive(Default)]
struct Case {
    flags: Vec<&'static str>,
    environment: Vec<(&'static str, &'static str)>,
    file: Option<String>,
}

/// A file that is removed on drop.
struct Scratch(PathBuf);

impl Scratch {
    fn new(text: &str) -> Scratch {
        static NUMBER: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("gm-config-{}-{number}", std::process::id()));
        std::fs::write(&path, text).unwrap();
        Scratch(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[derive(clap::Parser)]
struct CommandLine {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    flags: Flags,
}

const REQUIRED_FLAGS: [&str; 5] =
    ["--cluster", "c", "--insecure-no-encryption", "--no-data-dir", "--api=unix:/x"];

impl Case {
    fn layers(&self) -> (Layers, Vec<DaemonError>) {
        let file = self.file.as_deref().map(Scratch::new);
        let mut line: Vec<String> = vec!["run".to_owned()];
        line.extend(self.flags.iter().map(|flag| (*flag).to_owned()));
        if let Some(file) = &file {
            line.extend(["--config".to_owned(), file.0.to_string_lossy().into_owned()]);
        }
        let line = <CommandLine as clap::Parser>::try_parse_from(line).unwrap();
        let environment: Vec<_> = self
            .environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), Some((*value).to_owned())))
            .collect();
        let mut errors = Vec::new();
        let layers = Layers::gather(&line.global, &line.flags, &environment, &mut errors);
        (layers, errors)
    }

    fn settings(&self) -> Result<ResolvedConfig, Vec<DaemonError>> {
        let (layers, errors) = self.layers();
        let names: Resolver<'_> = &|host| match host {
            "here" => Ok(vec!["10.0.0.7".parse().unwrap()]),
            _ => Err("no such name".to_owned()),
        };
        ResolvedConfig::resolve(&layers, Some(names), errors)
    }

    /// The only error.
    fn error(&self) -> DaemonError {
        let mut errors = self.settings().unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:?}");
        errors.remove(0)
    }
}

fn flags(flags: &[&'static str]) -> Case {
    Case { flags: [&REQUIRED_FLAGS, flags].concat(), ..Case::default() }
}

fn environment(name: &'static str, value: &'static str) -> Case {
    Case { environment: vec![(name, value)], ..flags(&[]) }
}

fn file(text: &str) -> Case {
    Case { file: Some(text.to_owned()), ..flags(&[]) }
}

#[test]
fn flags_override_environment_file_and_defaults() {
    let mut case = file("port = 1\nmulticast-ttl = 9\ninterface = 'lo'\nseed = ['a:1', 'b:2']");
    case.environment = vec![("GROUP_MANAGER_PORT", "2"), ("GROUP_MANAGER_MULTICAST_TTL", "8")];
    case.flags.extend(["--port", "3"]);
    let settings = case.settings().unwrap();
    let shell = &settings.options.sockets;
    assert_eq!((shell.port, shell.multicast_ttl, shell.interface.as_deref()), (3, 8, Some("lo")));
    assert_eq!(shell.seeds.len(), 2);
    let (layers, _) = case.layers();
    let rows = rows(&layers);
    let source = |key| rows.iter().find(|row| row.key == key).unwrap().source.clone();
    assert_eq!(
        (source("port"), source("multicast-ttl")),
        ("--port".into(), "GROUP_MANAGER_MULTICAST_TTL".into())
    );
    assert!(source("seed").starts_with("`seed` in "));
    assert_eq!(source("bind"), "default");
    assert_eq!(flags(&[]).settings().unwrap().options.sockets.port, 29_999);
}

#[test]
fn names_of_the_original_still_work() {
    let mut case = flags(&[]);
    case.environment = vec![
        ("GROUP_MANAGER_ADDRESS", "10.0.0.1"),
        ("GROUP_MANAGER_PORT", "5"),
        ("GROUP_MANAGER_MULTICAST_ADDRESS", "239.1.1.1"),
        ("GROUP_MANAGER_MULTICAST_PORT", "6"),
        ("GROUP_MANAGER_MULTICAST_TTL", "1"),
        ("GROUP_MANAGER_SEED", "a:1, b:2"),
        ("GROUP_MANAGER_JOIN", "one=1-2,5-6;two"),
        ("GROUP_MANAGER_LEAVE_ON_EXIT", "yes"),
        ("GROUP_MANAGER_BIND", ""),
    ];
    let settings = case.settings().unwrap();
    let shell = settings.options.sockets;
    assert_eq!((shell.address, shell.port), ("10.0.0.1".parse().ok(), 5));
    assert_eq!(shell.multicast, Multicast::Group("239.1.1.1:6".parse().unwrap()));
    assert_eq!((shell.multicast_ttl, shell.seeds.len(), shell.bind), (1, 2, None));
    assert_eq!(
        (
            settings.options.joins.len(),
            settings.options.joins[0].ranges.len(),
            settings.options.leave_on_exit
        ),
        (2, 2, true)
    );
}

#[test]
fn a_key_in_the_environment_is_a_warning_and_hidden() {
    const KEY: &str = "8f0b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c7d8e1";
    let case = Case {
        flags: vec!["--cluster", "c", "--no-data-dir", "--api=unix:/x"],
        environment: vec![("GROUP_MANAGER_KEY", KEY)],
        file: None,
    };
    let settings = case.settings().unwrap();
    assert!(matches!(settings.encryption, Encryption::Keys(_)));
    assert!(settings.warnings.iter().any(|warning| warning.contains("GROUP_MANAGER_KEY")));
    let (layers, _) = case.layers();
    let shown = format!("{:?}{settings:?}", rows(&layers));
    assert!(!shown.contains(KEY) && shown.contains("not shown"));
}

#[test]
fn a_higher_layer_overrides_a_lower_one() {
    let case = |flag: &[&'static str], text: &str| Case {
        flags: [&["--cluster", "c", "--insecure-no-encryption", "--api=unix:/x"][..], flag].concat(),
        file: Some(text.to_owned()),
        ..Case::default()
    };
    assert_eq!(case(&["--no-data-dir"], "data-dir = '/d'").settings().unwrap().data_dir, None);
    let taken = case(&["--data-dir", "/e"], "no-data-dir = true").settings().unwrap();
    assert_eq!(taken.data_dir, Some("/e".into()));
    let mut switched = case(&[], "no-data-dir = true");
    switched.environment = vec![("GROUP_MANAGER_NO_DATA_DIR", "false")];
    assert!(matches!(switched.error(), DaemonError::Refused(why) if why.contains("data-dir")));
    // The address may contain the port.
    let mut both = file("port = 7");
    both.flags.extend(["--address", "10.0.0.1:8"]);
    assert_eq!(both.settings().unwrap().options.sockets.port, 8);
    let mut named = file("port = 7");
    named.flags.extend(["--address", "here:8"]);
    let shell = named.settings().unwrap().options.sockets;
    assert_eq!((shell.address, shell.port), ("10.0.0.7".parse().ok(), 8));
    let (layers, errors) = named.layers();
    let again = ResolvedConfig::resolve(&layers, None, errors).unwrap().options.sockets;
    assert_eq!((again.address, again.port), (None, 8), "the name is resolved once");
    assert_eq!(rows(&layers).iter().find(|row| row.key == "port").unwrap().value, "8");
    let mut over = file("address = '10.0.0.1:8'");
    over.flags.extend(["--port", "9"]);
    assert_eq!(over.settings().unwrap().options.sockets.port, 9);
    let mut multicast = file("multicast = 'off'");
    multicast.environment = vec![("GROUP_MANAGER_MULTICAST_PORT", "7")];
    assert_eq!(
        multicast.settings().unwrap().options.sockets.multicast,
        Multicast::Group("224.1.1.1:7".parse().unwrap())
    );
    multicast.flags.extend(["--multicast", "off"]);
    assert_eq!(multicast.settings().unwrap().options.sockets.multicast, Multicast::Off);
}

#[test]
fn paths_in_a_file_are_relative_to_it() {
    let text = "cluster = 'c'\nkey-file = 'keys/gm.key'\ndata-dir = '../data'\napi = 'unix:gm.sock'\ninterface = 'eth0'";
    let case = Case { file: Some(text.to_owned()), ..Case::default() };
    let (layers, errors) = case.layers();
    assert_eq!(errors, []);
    let value = |name| layers.get(name).unwrap().values[0].clone();
    let dir = std::env::temp_dir();
    assert_eq!(value("key-file"), dir.join("keys/gm.key").to_str().unwrap());
    assert_eq!(value("data-dir"), dir.join("../data").to_str().unwrap());
    assert_eq!(value("api"), format!("unix:{}", dir.join("gm.sock").display()));
    assert_eq!(value("interface"), "eth0");
    // Absolute paths remain, and relative paths in flags refer to the working directory.
    let absolute =
        Case { file: Some("key-file = '/etc/gm.key'\napi = 'unix:'".to_owned()), ..Case::default() };
    let (layers, _) = absolute.layers();
    assert_eq!(layers.get("key-file").unwrap().values, ["/etc/gm.key"]);
    assert_eq!(layers.get("api").unwrap().values, ["unix:"]);
    let (layers, _) = Case { flags: vec!["--key-file", "gm.key"], ..case }.layers();
    assert_eq!(layers.get("key-file").unwrap().values, ["gm.key"]);
}

#[test]
fn required_settings_have_no_default() {
    let missing = |flags: &[&'static str]| Case { flags: flags.to_vec(), ..Case::default() }.error();
    let refused = |error: DaemonError, names: &[&str]| {
        let DaemonError::Refused(why) = error else { panic!("{error:?}") };
        assert!(names.iter().all(|name| why.contains(name)), "{why}");
    };
    refused(missing(&REQUIRED_FLAGS[2..]), &["`cluster`", "--cluster"]);
    refused(
        missing(&["--cluster", "c", "--no-data-dir"]),
        &["`key-file`", "keygen", "--insecure-no-encryption"],
    );
    refused(missing(&["--cluster", "c", "--insecure-no-encryption"]), &["`data-dir`", "--no-data-dir"]);
    let errors = Case::default().settings().unwrap_err();
    assert_eq!(errors.len(), 3, "all errors are reported at once: {errors:?}");
}

#[test]
fn errors_name_the_place_of_the_setting() {
    let long = format!("--api=unix:/{}", "x".repeat(200)).leak();
    let cases: Vec<(Case, &[&str])> = vec![
        (file("multicast_ttl = 4"), &["`multicast_ttl`", "not a setting", "`multicast-ttl`"]),
        (file("clutser = 'c'"), &["`clutser`", "`cluster`"]),
        (file("key = 'x'"), &["`key`", "`key-file`"]),
        (file("port = 'x'"), &["`port` in", "`x`"]),
        (file("port = [1]"), &["`port`", "array"]),
        (file("no-data-dir = 'x'"), &["true or false"]),
        (file("a b"), &["line 1"]),
        (
            environment("GROUP_MANAGER_MULTICAST_ADRESS", "x"),
            &["GROUP_MANAGER_MULTICAST_ADDRESS", "not a setting"],
        ),
        (environment("GROUP_MANAGER_PORT", "tcp://10.0.0.1"), &["GROUP_MANAGER_PORT", "tcp://10.0.0.1"]),
        (
            environment("GROUP_MANAGER_LEAVE_ON_EXIT", "perhaps"),
            &["GROUP_MANAGER_LEAVE_ON_EXIT", "neither true nor false"],
        ),
        (flags(&["--address", "a host"]), &["--address", "`a host`", "IP:PORT"]),
        (flags(&["--address", "there"]), &["--address", "`there`", "no such name", "Give the IP"]),
        (flags(&["--address", "10.0.0.1:5", "--port", "6"]), &["--address", "--port", "5", "6"]),
        (flags(&["--bind", "x"]), &["--bind", "`x`"]),
        (flags(&["--multicast", "x"]), &["--multicast", "GROUP:PORT"]),
        (flags(&["--multicast", "off", "--multicast-port", "1"]), &["exclude each other"]),
        (flags(&["--multicast-address", "10.0.0.1"]), &["`multicast-address`", "no multicast group"]),
        (flags(&["--multicast-ttl", "256"]), &["--multicast-ttl", "`256`"]),
        (flags(&["--seed", "x"]), &["--seed", "IP:PORT"]),
        (flags(&["--join", "g=5-1"]), &["--join", "5-1"]),
        (flags(&["--serve", "g"]), &["--serve", "GROUP:START-END@PORT"]),
        (flags(&["--serve", "g:0-1@0"]), &["--serve", "port", "`0`"]),
        (flags(&["--serve", "g:0-1@1/x"]), &["--serve", "priority", "`x`"]),
        (flags(&["--log-level", "loud"]), &["--log-level", "`loud`"]),
        (flags(&["--log-format", "xml"]), &["--log-format", "`xml`"]),
        (flags(&["--data-dir", "/d"]), &["--data-dir", "--no-data-dir", "exclude"]),
        (flags(&["--key-file", "/k"]), &["--key-file", "--insecure-no-encryption", "exclude"]),
        (
            Case { flags: [&REQUIRED_FLAGS[..4], &["--api=tcp:1"]].concat(), ..Case::default() },
            &["--api", "unix:PATH"],
        ),
        (Case { flags: [&REQUIRED_FLAGS[..4], &[&*long]].concat(), ..Case::default() }, &["`api`", "107"]),
    ];
    for (case, words) in cases {
        let errors = case.settings().unwrap_err();
        let text = errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        assert!(words.iter().all(|word| text.contains(word)), "{words:?} in: {text}");
    }
}

#[test]
fn key_files_that_others_may_read_are_refused() {
    use std::os::unix::fs::PermissionsExt;

    let key = Scratch::new("8f0b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f5061728394a5b6c7d8e1\n");
    let mode = |mode| std::fs::set_permissions(&key.0, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(0o640);
    let why = keys::read_key_file(&key.0).unwrap_err();
    assert!(why.contains("0640") && why.contains("chmod 600"), "{why}");
    mode(0o400);
    assert!(keys::read_key_file(&key.0).is_ok());
    let why = keys::read_key_file(Path::new("/nowhere/key")).unwrap_err();
    assert!(why.contains("`key-file`") && why.contains("/nowhere/key"), "{why}");
}

#[test]
fn served_ranges_have_a_short_form() {
    let serving: ServeSpec = "a:b:0x0-0x7fffffff@5432/3".parse().unwrap();
    assert_eq!((serving.group.as_str(), serving.port, serving.priority), ("a:b", 5_432, 3));
    assert_eq!((serving.range.start(), serving.range.end()), (0, 0x7fff_ffff));
    let joining: JoinSpec = "g".parse().unwrap();
    assert!(joining.ranges.is_empty());
}
