//! Refused files, and the error messages: file, reason, remedy. A refused file is never changed.

use std::fs;
use std::panic::catch_unwind;

use gm_node::dump;
use gm_node::store::disk::{DiskStore, FORMAT, OpenError};
use redb::{Database, TableDefinition};

use crate::fixture::{Directory, contact_batch, private, put, scattered, text};

/// Checks that opening is refused without changes, and that the message is complete. Returns the
/// message.
fn refused(dir: &Directory) -> String {
    let before = fs::read(dir.file()).unwrap();
    let error = DiskStore::open(dir).unwrap_err();
    assert!(before == fs::read(dir.file()).unwrap(), "the file was changed: {error}");
    let message = error.to_string();
    for part in [&*dir.file().to_string_lossy(), "move", "gm-node restore DUMP", &dir.to_string_lossy()] {
        assert!(message.contains(part), "`{part}` is missing: {message}");
    }
    message
}

/// A directory with some records.
fn filled(name: &str) -> (Directory, String) {
    let dir = Directory::new(name);
    let (mut store, _) = dir.open();
    (0..60).for_each(|number| put(&mut store, contact_batch(number, number % 20 == 0)).unwrap());
    drop(store);
    let text = text(&dir.open().1);
    (dir, text)
}

#[test]
fn a_directory_in_use_is_refused() {
    let dir = Directory::new("in-use");
    let (first, _) = dir.open();
    let error = DiskStore::open(&dir).unwrap_err();
    let OpenError::InUse { pid, .. } = &error else { panic!("{error}") };
    assert_eq!(*pid, Some(std::process::id()));
    let expected = format!("{} is in use by process {}", dir.display(), std::process::id());
    assert!(error.to_string().starts_with(&expected), "{error}");
    assert!(matches!(dump::dump(&dir), Err(OpenError::InUse { .. })));
    drop(first);
    drop(dir.open());
}

#[test]
fn files_of_other_programs_are_refused() {
    let dir = Directory::new("foreign");
    for (content, why) in [
        (&b""[..], "it is empty"),
        (b"SQLite format 3\0 and so on", "does not start like a database"),
        (b"redb", "does not start like a database"),
    ] {
        fs::create_dir_all(&*dir).unwrap();
        fs::write(dir.file(), content).unwrap();
        private(&dir);
        private(&dir.file());
        let message = refused(&dir);
        assert!(message.contains(why), "{message}");
    }
    fs::remove_file(dir.file()).unwrap();
    let database = Database::create(dir.file()).unwrap();
    let write = database.begin_write().unwrap();
    write.open_table(TableDefinition::<&str, u64>::new("theirs")).unwrap().insert("a", 1).unwrap();
    write.commit().unwrap();
    drop(database);
    private(&dir.file());
    let message = refused(&dir);
    assert!(message.contains("it has no table `node`"), "{message}");
}

/// Writes a row with the database crate itself.
fn plant(dir: &Directory, table: &str, key: &[u8], value: &[u8]) {
    let database = Database::create(dir.file()).unwrap();
    let write = database.begin_write().unwrap();
    if table == "node" {
        let table = TableDefinition::<&str, &[u8]>::new("node");
        write.open_table(table).unwrap().insert(str::from_utf8(key).unwrap(), value).unwrap();
    } else {
        write.open_table(TableDefinition::<&[u8], &[u8]>::new(table)).unwrap().insert(key, value).unwrap();
    }
    write.commit().unwrap();
}

#[test]
fn a_later_format_is_refused() {
    let (dir, _) = filled("newer");
    plant(&dir, "node", b"format", (FORMAT + 1).to_string().as_bytes());
    let message = refused(&dir);
    assert!(message.contains("has the format 2, and this program reads formats up to 1"), "{message}");
}

#[test]
fn malformed_rows_are_refused() {
    for (at, (table, key, value, why)) in (0..).zip([
        ("node", &b"format"[..], &b"one"[..], "not a number"),
        ("node", b"me", b"10.0.0.1", "the row `me`"),
        ("node", b"peers", b"10.0.0.1:1\n0.0.0.0:1\n", "the row `peers`"),
        ("node", b"contacts", b"10.0.0.1:1\n", "has no group"),
        ("node", b"contacts", b"\xff", "is not text"),
        ("node", b"colour", b"blue", "the row `colour` is unknown"),
        ("records", b"a\0", b"", "cannot be read"),
    ]) {
        let (dir, _) = filled(&format!("rows-{at}"));
        plant(&dir, table, key, value);
        let message = refused(&dir);
        assert!(message.contains(why), "{message}");
    }
}

#[test]
fn a_truncated_file_is_refused() {
    let (dir, _) = filled("cut");
    let whole = fs::read(dir.file()).unwrap();
    for cut in [1, 9, 64, 320, 4_095, 4_096, 8_192, whole.len() / 2, whole.len() - 4_096, whole.len() - 1] {
        fs::write(dir.file(), &whole[..cut]).unwrap();
        refused(&dir);
    }
    fs::write(dir.file(), &whole).unwrap();
    drop(dir.open());
}

#[test]
fn flipped_bits_are_refused_or_in_unused_bytes() {
    let (dir, expected) = filled("flipped");
    let whole = fs::read(dir.file()).unwrap();
    let used: Vec<usize> = (0..whole.len()).filter(|at| whole[*at] != 0).collect();
    let (mut refusals, mut harmless) = (0, 0);
    let header = (0..320).filter(|at| whole[*at] != 0 || at % 8 == 0);
    let inside = (0..100_u64).map(|at| used[usize::try_from(scattered(at)).unwrap_or(0) % used.len()]);
    for at in header.chain(inside) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (scattered(at as u64) % 8);
        fs::write(dir.file(), &bytes).unwrap();
        match catch_unwind(|| DiskStore::open(&dir)) {
            Ok(Err(error)) => {
                assert!(matches!(error, OpenError::Damaged { .. }), "byte {at}: {error}");
                assert!(bytes == fs::read(dir.file()).unwrap(), "byte {at}: the file was changed");
                refusals += 1;
            }
            Ok(Ok((_, stored))) => {
                assert_eq!(text(&stored), expected, "byte {at}");
                harmless += 1;
            }
            Err(_) => panic!("byte {at}: a panic"),
        }
    }
    println!("{refusals} flips refused, {harmless} in unused bytes; file of {} bytes", whole.len());
    assert!(refusals > 50);
}
