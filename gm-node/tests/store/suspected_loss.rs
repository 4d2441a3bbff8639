//! A database that may lack what was reported: when it is doubted, in which words, and until when.

use std::fs;

use gm_broadcast::Time;
use gm_node::store::Store;
use redb::{Database, TableDefinition};

use crate::fixture::{Directory, contact_batch, put};

/// Opens it, does so many durable batches from a number on, and closes it. Returns why it was
/// doubted.
fn goes_on(dir: &Directory, first: u32, batches: u32) -> Option<String> {
    let (mut store, stored) = dir.open();
    (first..first + batches).for_each(|number| put(&mut store, contact_batch(number, true)).unwrap());
    drop(store);
    stored.suspected_loss
}

#[test]
fn an_older_copy_is_doubted_until_it_is_trusted() {
    let dir = Directory::new("older");
    assert_eq!(goes_on(&dir, 0, 5), None);
    let older = fs::read(dir.file()).unwrap();
    assert_eq!(goes_on(&dir, 5, 3), None);
    fs::write(dir.file(), &older).unwrap();
    let words = goes_on(&dir, 5, 0).unwrap();
    assert!(words.contains("lacks the last 3 commits that were reported as stored"), "{words}");
    // It goes on, and stays doubted until others were asked.
    assert!(goes_on(&dir, 5, 0).unwrap().contains("the last 3 commits"));
    assert!(goes_on(&dir, 5, 1).unwrap().contains("the last 3 commits"));
    assert!(goes_on(&dir, 6, 1).unwrap().contains("an earlier start found"));
    let (mut store, _) = dir.open();
    store.exclude_loss();
    drop(store);
    assert_eq!(goes_on(&dir, 7, 1), None);
    // The file beside it alone is missed too.
    fs::remove_file(dir.join("gm.last")).unwrap();
    assert!(goes_on(&dir, 8, 0).unwrap().contains("gm.last, which says how much was stored, is missing"));
    let (mut store, stored) = dir.open();
    assert!(stored.suspected_loss.is_some() && store.poll_finished(Time::ZERO).is_none());
    store.exclude_loss();
    drop(store);
    assert_eq!(dir.open().1.suspected_loss, None);
}

#[test]
fn a_database_of_an_earlier_version_is_not_doubted() {
    let dir = Directory::new("earlier");
    assert_eq!(goes_on(&dir, 0, 3), None);
    let commits: TableDefinition<'_, &str, (u128, u64)> = TableDefinition::new("commits");
    let database = Database::create(dir.file()).unwrap();
    let write = database.begin_write().unwrap();
    assert!(write.delete_table(commits).unwrap());
    write.commit().unwrap();
    drop(database);
    fs::remove_file(dir.join("gm.last")).unwrap();
    // Twice, without a commit between; then its commits are numbered too.
    assert_eq!(goes_on(&dir, 3, 0), None);
    assert_eq!(goes_on(&dir, 3, 2), None);
    let (_, stored) = dir.open();
    assert!(stored.suspected_loss.is_none() && stored.groups[0].records().len() == 5);
}
