//! Dump and restore.

use std::fs;

use gm_broadcast::Time;
use gm_node::dump::{self, Dump, DumpError};
use gm_node::store::Store;
use gm_node::store::disk::OpenError;

use crate::fixture::{Directory, batch, text};

fn filled(name: &str) -> Directory {
    let dir = Directory::new(name);
    let (mut store, _) = dir.open();
    (0..50).for_each(|number| store.submit(Time::ZERO, batch(number)));
    drop(store);
    dir
}

#[test]
fn a_directory_is_dumped_and_restored_as_it_was() {
    let (dir, other) = (filled("dumped"), Directory::new("restored"));
    let before = fs::read(dir.file()).unwrap();
    let dumped = dump::dump(&dir).unwrap();
    assert!(before == fs::read(dir.file()).unwrap(), "the dump changed the file");
    let json = dumped.to_json().unwrap();
    assert_eq!(json, text(&dir.open().1));
    let read = Dump::from_json(&json).unwrap();
    assert_eq!(read.to_json().unwrap(), json);
    dump::restore(&read, &other).unwrap();
    assert_eq!(dump::dump(&other).unwrap().to_json().unwrap(), json);
    assert_eq!(text(&other.open().1), json);
    for part in
        ["\"floor\": 5", "\"opened\": {", "\"op\": \"rmv\"", "\"format\": 1", "\"me\": \"[2001:db8::]:1001\""]
    {
        assert!(json.contains(part), "{part}: {json}");
    }
}

#[test]
fn nothing_is_restored_over_a_database() {
    let dir = filled("over");
    let dumped = dump::dump(&dir).unwrap();
    let before = fs::read(dir.file()).unwrap();
    let error = dump::restore(&dumped, &dir).unwrap_err();
    assert!(matches!(error, OpenError::Present { .. }));
    assert!(error.to_string().contains(&format!("move {} away", dir.file().display())), "{error}");
    assert!(before == fs::read(dir.file()).unwrap());
}

#[test]
fn a_missing_database_is_not_dumped() {
    let dir = Directory::new("nothing");
    let error = dump::dump(&dir).unwrap_err();
    assert!(matches!(error, OpenError::Absent { .. }));
    assert!(error.to_string().contains("gm.redb"), "{error}");
    assert!(!dir.exists());
}

#[test]
fn invalid_dumps_are_refused() {
    let good = dump::dump(&filled("texts")).unwrap();
    let json = good.to_json().unwrap();
    let wrong = |text: &str| Dump::from_json(text).unwrap_err();
    let DumpError::Newer { found: 2, known: 1 } = wrong("{\"format\": 2, \"colour\": 3}") else { panic!() };
    let error = wrong(&json.replacen("\"floor\"", "\"flour\"", 1));
    assert!(matches!(&error, DumpError::Malformed { line, .. } if *line > 5), "{error}");
    assert!(error.to_string().contains("unknown field `flour`"), "{error}");
    let error = wrong(&json[..json.len() / 2]);
    assert!(error.to_string().starts_with("invalid dump at line "), "{error}");
    assert_eq!(error.to_string().matches("line").count(), 1, "{error}");
    let mut twice = good;
    twice.groups.push(twice.groups[0].clone());
    assert!(matches!(wrong(&twice.to_json().unwrap()), DumpError::Twice { .. }));
    assert!(matches!(wrong("{}"), DumpError::Malformed { .. }));
}
