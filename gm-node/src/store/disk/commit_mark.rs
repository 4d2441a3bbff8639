//! Commit mark: a file beside the database that records the last commit. Without it, a database
//! that lost its last commits looks as if they had never happened.
//!
//! Every commit has a number, which is stored in the database and, after the commit and before it
//! is reported, in this file. If the database is ahead, a process ended between the two, and
//! nothing is missing. If the file is ahead, the database lacks commits that were reported.
//!
//! The file is written at every commit, but synced only about a second later, so that a commit
//! needs no second sync. After a process is killed, the file is complete. After a power loss it may
//! lack the last second; then a loss of commits can go unnoticed, but a false one is never
//! reported.
//!
//! The file has two slots of one page each, written in turn, so a torn write damages only one. A
//! slot is a line of text: a word, the format, the number of slot writes, the random id of the
//! database, the number of the commit, whether the database is suspect, and a checksum.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::OpenError;
use super::database::{open_private, private_file, sync_dir};

/// Size of a slot in bytes.
const SLOT_BYTES: usize = 4_096;
/// Size of the file in bytes.
const SIZE: u64 = 2 * SLOT_BYTES as u64;
/// Start of a slot: a word and the format.
const MAGIC: &str = "gm-last 1";

/// Identifies a commit: the database, and the number of the commit, counted from 1; 0 is the
/// creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CommitMark {
    /// Random id of the database, drawn when it is created.
    pub(super) database: u128,
    pub(super) number: u64,
}

impl CommitMark {
    /// The mark of a new database.
    pub(super) fn first() -> CommitMark {
        // The standard library seeds its hashers with random numbers from the system.
        let draw = || u128::from(RandomState::new().build_hasher().finish());
        CommitMark { database: draw() << 64 | draw(), number: 0 }
    }

    pub(super) const fn next(self) -> CommitMark {
        CommitMark { number: self.number.saturating_add(1), ..self }
    }
}

/// Content of the commit mark file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordedMark {
    /// There is no file.
    Absent,
    /// Neither slot can be read.
    Broken,
    /// The last commit, and whether the database was suspect at an earlier start and was not
    /// cleared since.
    Found { mark: CommitMark, is_suspect: bool },
}

/// Compares the database with the commit mark. Returns the mark to continue from, and the reason if
/// commits may be lost.
pub(super) fn detect_loss(database: Option<CommitMark>, last: RecordedMark) -> (CommitMark, Option<String>) {
    let suspect = |mark, why: &str| (mark, Some(why.to_owned()));
    match (database, last) {
        (None, RecordedMark::Absent) => (CommitMark::first(), None),
        (Some(mark), RecordedMark::Absent) if mark.number == 0 => (mark, None),
        (Some(mark), RecordedMark::Absent) => suspect(
            mark,
            "gm.last, which records the last commit, is missing: the database may be an older copy",
        ),
        (mark, RecordedMark::Broken) => suspect(
            mark.unwrap_or_else(CommitMark::first),
            "gm.last, which records the last commit, is damaged: the database may lack the last commits",
        ),
        // Created by an earlier version, and nothing committed since.
        (None, RecordedMark::Found { mark, .. }) if mark.number == 0 => (mark, None),
        (None, RecordedMark::Found { mark, .. }) => (mark, Some(lacks(mark.number))),
        (Some(there), RecordedMark::Found { mark, .. }) if there.database != mark.database => {
            suspect(there, "gm.last belongs to another database: this one may be an older copy")
        }
        (Some(there), RecordedMark::Found { mark, .. }) if there.number < mark.number => {
            (mark, Some(lacks(mark.number - there.number)))
        }
        (Some(there), RecordedMark::Found { is_suspect: true, .. }) => suspect(
            there,
            "an earlier start found that the database lacked commits, and since then peers were not asked in all groups",
        ),
        (Some(there), RecordedMark::Found { .. }) => (there, None),
    }
}

fn lacks(commits: u64) -> String {
    let last =
        if commits == 1 { "commit that was".to_owned() } else { format!("{commits} commits that were") };
    format!(
        "the database lacks the last {last} reported as stored: the disk damaged it, or it is an older copy"
    )
}

/// The commit mark file, open for writing.
#[derive(Debug)]
pub(super) struct CommitMarkFile {
    file: File,
    /// Number of slot writes.
    turn: u64,
    /// Time of the first write that is not synced.
    unsynced: Option<Instant>,
    /// Whether the last sync failed: then each write is synced, and fails with the sync, until one
    /// succeeds.
    fails: bool,
}

/// Path of the file in a directory.
fn path_in(dir: &Path) -> PathBuf {
    dir.join("gm.last")
}

/// Reads the file of a directory. Changes nothing.
pub(super) fn read(dir: &Path) -> Result<RecordedMark, OpenError> {
    let path = path_in(dir);
    match crate::file::read_regular(&path, SIZE) {
        Ok((bytes, _)) => Ok(parse(&bytes).map_or(RecordedMark::Broken, |(_, last)| last)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(RecordedMark::Absent),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(RecordedMark::Broken),
        Err(error) => Err(OpenError::system("read", &path, error)),
    }
}

/// Removes the file, if it exists: it does not match the database that is created next.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(path_in(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl CommitMarkFile {
    /// Opens the file of a directory and writes a mark. An unreadable file is replaced.
    pub(super) fn open(dir: &Path, mark: CommitMark, is_suspect: bool) -> Result<CommitMarkFile, OpenError> {
        let path = path_in(dir);
        let system = |source| OpenError::system("write", &path, source);
        let old = match crate::file::read_regular(&path, SIZE) {
            Ok((bytes, _)) if bytes.len() as u64 == SIZE => parse(&bytes),
            _ => None,
        };
        if let Some((turn, last)) = old {
            let file = open_private(&path, &mut private_file())?;
            let mut opened = CommitMarkFile { file, turn, unsynced: None, fails: false };
            if last != (RecordedMark::Found { mark, is_suspect }) {
                opened.write(mark, is_suspect).map_err(system)?;
            }
            return Ok(opened);
        }
        // Renamed when complete: a crash leaves no file or a complete one.
        let unnamed = dir.join("gm.last.new");
        match fs::remove_file(&unnamed) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(system(source)),
            _ => {}
        }
        let file = private_file().create_new(true).open(&unnamed).map_err(system)?;
        let mut made = CommitMarkFile { file, turn: 0, unsynced: None, fails: false };
        for _ in 0..2 {
            made.write(mark, is_suspect).map_err(system)?;
        }
        made.file.sync_all().map_err(system)?;
        made.unsynced = None;
        fs::rename(&unnamed, &path).map_err(system)?;
        sync_dir(dir).map_err(system)?;
        Ok(made)
    }

    /// Writes the mark into the older slot. The write survives the end of the process, but a power
    /// loss only after the next sync.
    pub(super) fn write(&mut self, mark: CommitMark, is_suspect: bool) -> io::Result<()> {
        let turn = self.turn + 1;
        let mut slot = to_text(turn, mark, is_suspect).into_bytes();
        slot.resize(SLOT_BYTES, 0);
        write_at(&self.file, &slot, turn % 2 * SLOT_BYTES as u64)?;
        // If the sync fails, this slot may or may not be written, so the other one remains the last
        // certain one.
        if self.fails {
            self.file.sync_data()?;
            (self.fails, self.unsynced) = (false, None);
        } else {
            self.unsynced.get_or_insert_with(Instant::now);
        }
        self.turn = turn;
        Ok(())
    }

    /// Time of the first write that is not synced.
    pub(super) const fn unsynced_since(&self) -> Option<Instant> {
        self.unsynced
    }

    /// Syncs the file. If that fails, the next write reports it.
    pub(super) fn sync(&mut self) {
        if self.unsynced.take().is_some() {
            self.fails = self.file.sync_data().is_err();
        }
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

#[cfg(not(unix))]
fn write_at(mut file: &File, bytes: &[u8], at: u64) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(at))?;
    file.write_all(bytes)
}

fn to_text(turn: u64, CommitMark { database, number }: CommitMark, is_suspect: bool) -> String {
    let doubted = if is_suspect { "doubted" } else { "whole" };
    let line = format!("{MAGIC} {turn} {database:032x} {number} {doubted}");
    format!("{line} {:016x}\n", checksum(line.as_bytes()))
}

/// The newer of the readable slots, with its number of slot writes.
fn parse(bytes: &[u8]) -> Option<(u64, RecordedMark)> {
    bytes.chunks(SLOT_BYTES).take(2).filter_map(parse_slot).max_by_key(|(turn, _)| *turn)
}

fn parse_slot(slot: &[u8]) -> Option<(u64, RecordedMark)> {
    let (line, rest) = slot.split_at_checked(slot.iter().position(|byte| *byte == b'\n')?)?;
    if rest.get(1..)?.iter().any(|byte| *byte != 0) {
        return None;
    }
    let (text, sum) = str::from_utf8(line).ok()?.rsplit_once(' ')?;
    let is_whole = u64::from_str_radix(sum, 16).ok()? == checksum(text.as_bytes());
    let text = text.strip_prefix(MAGIC).filter(|_| is_whole)?;
    let mut words = text.split_ascii_whitespace();
    let turn = words.next()?.parse().ok()?;
    let database = u128::from_str_radix(words.next()?, 16).ok()?;
    let number = words.next()?.parse().ok()?;
    let is_suspect = words.next()? == "doubted";
    Some((turn, RecordedMark::Found { mark: CommitMark { database, number }, is_suspect }))
}

/// FNV-1a, 64 bits. Every step is a bijection of the state, so inputs that differ in one byte have
/// different checksums.
fn checksum(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(number: u64) -> CommitMark {
        CommitMark { database: 7, number }
    }

    fn recorded(number: u64) -> RecordedMark {
        RecordedMark::Found { mark: mark(number), is_suspect: false }
    }

    #[test]
    fn only_a_database_that_is_behind_or_not_known_is_doubted() {
        let why = |database, last| detect_loss(database, last).1;
        // Complete: a process ended between a commit and its report, or before the first; or an
        // earlier version created it.
        for (there, last) in [(5, 5), (6, 5), (7, 5), (0, 0)] {
            assert_eq!(detect_loss(Some(mark(there)), recorded(last)), (mark(there), None));
        }
        assert_eq!((why(None, RecordedMark::Absent), why(Some(mark(0)), RecordedMark::Absent)), (None, None));
        assert_eq!(detect_loss(None, recorded(0)), (mark(0), None));
        // Commits were lost.
        let (next, lost) = detect_loss(Some(mark(4)), recorded(5));
        assert!(next == mark(5) && lost.unwrap().contains("lacks the last commit that was reported"));
        assert!(why(Some(mark(0)), recorded(9)).unwrap().contains("the last 9 commits"));
        assert!(why(None, recorded(3)).unwrap().contains("the last 3 commits"));
        // The database may be an older copy.
        let other = CommitMark { database: 8, number: 9 };
        assert!(why(Some(other), recorded(5)).unwrap().contains("belongs to another database"));
        assert!(why(Some(mark(1)), RecordedMark::Absent).unwrap().contains("is missing"));
        assert!(why(Some(mark(1)), RecordedMark::Broken).unwrap().contains("is damaged"));
        let doubted = RecordedMark::Found { mark: mark(5), is_suspect: true };
        assert!(why(Some(mark(5)), doubted).unwrap().contains("an earlier start"));
    }

    #[test]
    fn slots_alternate_and_one_is_enough() {
        let dir = std::env::temp_dir().join(format!("gm-last-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        assert_eq!(read(&dir).unwrap(), RecordedMark::Absent);
        let mut file = CommitMarkFile::open(&dir, mark(0), false).unwrap();
        for number in 1..=5 {
            file.write(mark(number), number == 3).unwrap();
            assert_eq!(
                read(&dir).unwrap(),
                RecordedMark::Found { mark: mark(number), is_suspect: number == 3 }
            );
        }
        drop(file);
        // When reopened, the file continues, and an equal mark is not written again.
        let before = fs::read(path_in(&dir)).unwrap();
        drop(CommitMarkFile::open(&dir, mark(5), false).unwrap());
        assert_eq!(fs::read(path_in(&dir)).unwrap(), before);
        for (number, torn) in [(6, 0..2), (7, 0..2)] {
            let mut file = CommitMarkFile::open(&dir, mark(number), false).unwrap();
            file.write(mark(number + 1), false).unwrap();
            let whole = fs::read(path_in(&dir)).unwrap();
            let found = torn.map(|slot| {
                let mut torn = whole.clone();
                torn[slot * SLOT_BYTES + 20] ^= 4;
                parse(&torn).unwrap().1
            });
            let mut found: Vec<RecordedMark> = found.collect();
            found.sort_by_key(
                |last| if let RecordedMark::Found { mark, .. } = last { mark.number } else { 0 },
            );
            assert_eq!(found, [recorded(number), recorded(number + 1)]);
        }
        fs::write(path_in(&dir), [0; SLOT_BYTES]).unwrap();
        assert_eq!(read(&dir).unwrap(), RecordedMark::Broken);
        CommitMarkFile::open(&dir, mark(9), true).unwrap();
        assert_eq!(read(&dir).unwrap(), RecordedMark::Found { mark: mark(9), is_suspect: true });
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn every_flipped_bit_of_a_slot_is_detected() {
        let mut slot = to_text(4, mark(5), false).into_bytes();
        slot.resize(SLOT_BYTES, 0);
        assert_eq!(parse_slot(&slot), Some((4, recorded(5))));
        let rest = (SLOT_BYTES..SLOT_BYTES * 8).step_by(97);
        for bit in (0..SLOT_BYTES).chain(rest) {
            let mut flipped = slot.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Upper and lower case of a hexadecimal digit in the checksum have the same value.
            assert!(parse_slot(&flipped).is_none_or(|text| text == (4, recorded(5))), "bit {bit}");
        }
    }
}
