//! Suspected loss: when a database is suspect, for which reason, and until when.

use std::fs;

use gm_broadcast::Time;
use gm_node::store::Store;
use redb::{Database, TableDefinition};

use crate::fixture::{Directory, contact_batch, put};

/// Opens a directory, writes durable batches from a number on, and closes it. Returns the reason of
/// the suspicion.
fn reopen(dir: &Directory, first: u32, batches: u32) -> Option<String> {
    let (mut store, stored) = dir.open();
    (first..first + batches).for_each(|number| put(&mut store, contact_batch(number, true)).unwrap());
    drop(store);
    stored.suspected_loss
}

#[test]
fn an_older_copy_is_suspect_until_cleared() {
    let dir = Directory::new("older");
    assert_eq!(reopen(&dir, 0, 5), None);
    let older = fs::read(dir.file()).unwrap();
    assert_eq!(reopen(&dir, 5, 3), None);
    fs::write(dir.file(), &older).unwrap();
    let reason = reopen(&dir, 5, 0).unwrap();
    assert!(reason.contains("lacks the last 3 commits that were reported as stored"), "{reason}");
    // The store works, and remains suspect until peers were asked.
    assert!(reopen(&dir, 5, 0).unwrap().contains("the last 3 commits"));
    assert!(reopen(&dir, 5, 1).unwrap().contains("the last 3 commits"));
    assert!(reopen(&dir, 6, 1).unwrap().contains("an earlier start found"));
    let (mut store, _) = dir.open();
    store.exclude_loss();
    drop(store);
    assert_eq!(reopen(&dir, 7, 1), None);
    // A missing commit mark alone is detected too.
    fs::remove_file(dir.join("gm.last")).unwrap();
    assert!(reopen(&dir, 8, 0).unwrap().contains("gm.last, which records the last commit, is missing"));
    let (mut store, stored) = dir.open();
    assert!(stored.suspected_loss.is_some() && store.poll_finished(Time::ZERO).is_none());
    store.exclude_loss();
    drop(store);
    assert_eq!(dir.open().1.suspected_loss, None);
}

#[test]
fn a_database_of_an_earlier_version_is_not_suspect() {
    let dir = Directory::new("earlier");
    assert_eq!(reopen(&dir, 0, 3), None);
    let commits: TableDefinition<'_, &str, (u128, u64)> = TableDefinition::new("commits");
    let database = Database::create(dir.file()).unwrap();
    let write = database.begin_write().unwrap();
    assert!(write.delete_table(commits).unwrap());
    write.commit().unwrap();
    drop(database);
    fs::remove_file(dir.join("gm.last")).unwrap();
    // Twice without a commit between; then its commits are numbered too.
    assert_eq!(reopen(&dir, 3, 0), None);
    assert_eq!(reopen(&dir, 3, 2), None);
    let (_, stored) = dir.open();
    assert!(stored.suspected_loss.is_none() && stored.groups[0].records().len() == 5);
}
