//! The file beside the database that says which commit was the last, `gm.last`: without it, a
//! database that lost its last commits looks as if they had never been. Knows nothing of what is
//! committed.
//!
//! Every commit has a number, which stands in the database and, once the commit is there and before
//! it is reported, in this file. So if the database is ahead, a process ended between the two, and
//! nothing is missing; if this file is ahead, the database lacks commits that were reported.
//!
//! The file is handed to the system at every commit, and synced about a second later: so it costs
//! no commit a second sync. After a kill it says all; after a loss of power perhaps not the last
//! second, in which it is behind, and then a loss is not noticed, but none is made up either.
//!
//! The file has two places of a page each, which are written in turn: what tears one leaves the
//! other. A place is a line of text: a word, the format, how often a place was written before, the
//! database's own number, the number of the commit, whether the database is doubted, and a checksum
//! of all this.

use std::fs::{self, File};
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::OpenError;
use super::database::{open_private, private_file, sync_dir};

/// One place of the file, in bytes.
const SLOT_BYTES: usize = 4_096;
/// Bytes of the file.
const SIZE: u64 = 2 * SLOT_BYTES as u64;
/// What a place begins with: a word and the format.
const MAGIC: &str = "gm-last 1";

/// Which commit: of which database, and the how-manieth, from 1 on; 0 is what it is made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CommitMark {
    /// The database's own number, drawn when it was made.
    pub(super) database: u128,
    pub(super) number: u64,
}

impl CommitMark {
    /// Of a database that is made now.
    pub(super) fn first() -> CommitMark {
        // The standard library draws the keys of its hashers from the system.
        let draw = || u128::from(RandomState::new().build_hasher().finish());
        CommitMark { database: draw() << 64 | draw(), number: 0 }
    }

    pub(super) const fn next(self) -> CommitMark {
        CommitMark { number: self.number.saturating_add(1), ..self }
    }
}

/// What the file says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RecordedMark {
    /// There is none.
    Absent,
    /// It cannot be read, neither place of it.
    Broken,
    /// The last commit, and whether an earlier start doubted the database and others were not asked
    /// in all groups since.
    Found { mark: CommitMark, is_doubted: bool },
}

/// Whether all is there that was reported: the mark that goes on, and why not.
pub(super) fn detect_loss(database: Option<CommitMark>, last: RecordedMark) -> (CommitMark, Option<String>) {
    let doubt = |mark, why: &str| (mark, Some(why.to_owned()));
    match (database, last) {
        (None, RecordedMark::Absent) => (CommitMark::first(), None),
        (Some(mark), RecordedMark::Absent) if mark.number == 0 => (mark, None),
        (Some(mark), RecordedMark::Absent) => doubt(
            mark,
            "gm.last, which says how much was stored, is missing: the database may be an older copy",
        ),
        (mark, RecordedMark::Broken) => doubt(
            mark.unwrap_or_else(CommitMark::first),
            "gm.last, which says how much was stored, is damaged: the database may lack what was stored last",
        ),
        // An earlier version made it, and nothing was committed since.
        (None, RecordedMark::Found { mark, .. }) if mark.number == 0 => (mark, None),
        (None, RecordedMark::Found { mark, .. }) => (mark, Some(lacks(mark.number))),
        (Some(there), RecordedMark::Found { mark, .. }) if there.database != mark.database => {
            doubt(there, "gm.last is of another database: this one may be an older copy")
        }
        (Some(there), RecordedMark::Found { mark, .. }) if there.number < mark.number => {
            (mark, Some(lacks(mark.number - there.number)))
        }
        (Some(there), RecordedMark::Found { is_doubted: true, .. }) => doubt(
            there,
            "an earlier start found that the database lacked what was stored, and others were not asked in all groups since",
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

/// The file, open for writing.
#[derive(Debug)]
pub(super) struct CommitMarkFile {
    file: File,
    /// How often a place was written.
    turn: u64,
    /// Since when something is written and not synced.
    unsynced: Option<Instant>,
    /// Whether the last sync failed: then every write is synced and fails with its sync, until one
    /// succeeds.
    fails: bool,
}

/// Where it is.
fn path_in(dir: &Path) -> PathBuf {
    dir.join("gm.last")
}

/// What the file of a directory says. Changes nothing.
pub(super) fn read(dir: &Path) -> Result<RecordedMark, OpenError> {
    let path = path_in(dir);
    match crate::file::read_regular(&path, SIZE) {
        Ok((bytes, _)) => Ok(parse(&bytes).map_or(RecordedMark::Broken, |(_, last)| last)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(RecordedMark::Absent),
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(RecordedMark::Broken),
        Err(error) => Err(OpenError::system("read", &path, error)),
    }
}

/// Takes the file away, if there is one: what it says is not of the database that is made next.
pub(super) fn remove(dir: &Path) -> io::Result<()> {
    match fs::remove_file(path_in(dir)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

impl CommitMarkFile {
    /// Opens the file of a directory, and says that in it. It is made anew if it cannot be read.
    pub(super) fn open(dir: &Path, mark: CommitMark, is_doubted: bool) -> Result<CommitMarkFile, OpenError> {
        let path = path_in(dir);
        let system = |source| OpenError::system("write", &path, source);
        let old = match crate::file::read_regular(&path, SIZE) {
            Ok((bytes, _)) if bytes.len() as u64 == SIZE => parse(&bytes),
            _ => None,
        };
        if let Some((turn, last)) = old {
            let file = open_private(&path, &mut private_file())?;
            let mut opened = CommitMarkFile { file, turn, unsynced: None, fails: false };
            if last != (RecordedMark::Found { mark, is_doubted }) {
                opened.write(mark, is_doubted).map_err(system)?;
            }
            return Ok(opened);
        }
        // It gets its name when all is in it: a crash leaves none or a whole one.
        let unnamed = dir.join("gm.last.new");
        match fs::remove_file(&unnamed) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(system(source)),
            _ => {}
        }
        let file = private_file().create_new(true).open(&unnamed).map_err(system)?;
        let mut made = CommitMarkFile { file, turn: 0, unsynced: None, fails: false };
        for _ in 0..2 {
            made.write(mark, is_doubted).map_err(system)?;
        }
        made.file.sync_all().map_err(system)?;
        made.unsynced = None;
        fs::rename(&unnamed, &path).map_err(system)?;
        sync_dir(dir).map_err(system)?;
        Ok(made)
    }

    /// Says that in the place that was not written last. It survives the end of the process; a loss
    /// of power only after the next sync.
    pub(super) fn write(&mut self, mark: CommitMark, is_doubted: bool) -> io::Result<()> {
        let turn = self.turn + 1;
        let mut place = to_text(turn, mark, is_doubted).into_bytes();
        place.resize(SLOT_BYTES, 0);
        write_at(&self.file, &place, turn % 2 * SLOT_BYTES as u64)?;
        // Should the sync fail, this place may be written or not: it is not the last that is sure.
        if self.fails {
            self.file.sync_data()?;
            (self.fails, self.unsynced) = (false, None);
        } else {
            self.unsynced.get_or_insert_with(Instant::now);
        }
        self.turn = turn;
        Ok(())
    }

    /// Since when something is written and not synced.
    pub(super) const fn unsynced_since(&self) -> Option<Instant> {
        self.unsynced
    }

    /// Waits until what was written survives a loss of power. If that fails, the next write says
    /// so.
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

fn to_text(turn: u64, CommitMark { database, number }: CommitMark, is_doubted: bool) -> String {
    let doubted = if is_doubted { "doubted" } else { "whole" };
    let line = format!("{MAGIC} {turn} {database:032x} {number} {doubted}");
    format!("{line} {:016x}\n", checksum(line.as_bytes()))
}

/// What the newer of the places says that can be read, and which turn it was.
fn parse(bytes: &[u8]) -> Option<(u64, RecordedMark)> {
    bytes.chunks(SLOT_BYTES).take(2).filter_map(parse_slot).max_by_key(|(turn, _)| *turn)
}

fn parse_slot(place: &[u8]) -> Option<(u64, RecordedMark)> {
    let (line, rest) = place.split_at_checked(place.iter().position(|byte| *byte == b'\n')?)?;
    if rest.get(1..)?.iter().any(|byte| *byte != 0) {
        return None;
    }
    let (said, sum) = str::from_utf8(line).ok()?.rsplit_once(' ')?;
    let is_whole = u64::from_str_radix(sum, 16).ok()? == checksum(said.as_bytes());
    let said = said.strip_prefix(MAGIC).filter(|_| is_whole)?;
    let mut words = said.split_ascii_whitespace();
    let turn = words.next()?.parse().ok()?;
    let database = u128::from_str_radix(words.next()?, 16).ok()?;
    let number = words.next()?.parse().ok()?;
    let is_doubted = words.next()? == "doubted";
    Some((turn, RecordedMark::Found { mark: CommitMark { database, number }, is_doubted }))
}

/// FNV-1a of 64 bits. Every step is a bijection of what came before, so what differs in one byte
/// never has the same.
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

    fn says(number: u64) -> RecordedMark {
        RecordedMark::Found { mark: mark(number), is_doubted: false }
    }

    #[test]
    fn only_a_database_that_is_behind_or_not_known_is_doubted() {
        let why = |database, last| detect_loss(database, last).1;
        // It is whole, or a process ended between a commit and its report, or before the first; or
        // an earlier version made it.
        for (there, last) in [(5, 5), (6, 5), (7, 5), (0, 0)] {
            assert_eq!(detect_loss(Some(mark(there)), says(last)), (mark(there), None));
        }
        assert_eq!((why(None, RecordedMark::Absent), why(Some(mark(0)), RecordedMark::Absent)), (None, None));
        assert_eq!(detect_loss(None, says(0)), (mark(0), None));
        // It lost commits.
        let (next, lost) = detect_loss(Some(mark(4)), says(5));
        assert!(next == mark(5) && lost.unwrap().contains("lacks the last commit that was reported"));
        assert!(why(Some(mark(0)), says(9)).unwrap().contains("the last 9 commits"));
        assert!(why(None, says(3)).unwrap().contains("the last 3 commits"));
        // It may be an older copy.
        let other = CommitMark { database: 8, number: 9 };
        assert!(why(Some(other), says(5)).unwrap().contains("of another database"));
        assert!(why(Some(mark(1)), RecordedMark::Absent).unwrap().contains("is missing"));
        assert!(why(Some(mark(1)), RecordedMark::Broken).unwrap().contains("is damaged"));
        let doubted = RecordedMark::Found { mark: mark(5), is_doubted: true };
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
                RecordedMark::Found { mark: mark(number), is_doubted: number == 3 }
            );
        }
        drop(file);
        // Opened again, it goes on, and what stands there already is not written again.
        let before = fs::read(path_in(&dir)).unwrap();
        drop(CommitMarkFile::open(&dir, mark(5), false).unwrap());
        assert_eq!(fs::read(path_in(&dir)).unwrap(), before);
        for (number, torn) in [(6, 0..2), (7, 0..2)] {
            let mut file = CommitMarkFile::open(&dir, mark(number), false).unwrap();
            file.write(mark(number + 1), false).unwrap();
            let whole = fs::read(path_in(&dir)).unwrap();
            let found = torn.map(|place| {
                let mut torn = whole.clone();
                torn[place * SLOT_BYTES + 20] ^= 4;
                parse(&torn).unwrap().1
            });
            let mut found: Vec<RecordedMark> = found.collect();
            found.sort_by_key(
                |last| if let RecordedMark::Found { mark, .. } = last { mark.number } else { 0 },
            );
            assert_eq!(found, [says(number), says(number + 1)]);
        }
        fs::write(path_in(&dir), [0; SLOT_BYTES]).unwrap();
        assert_eq!(read(&dir).unwrap(), RecordedMark::Broken);
        CommitMarkFile::open(&dir, mark(9), true).unwrap();
        assert_eq!(read(&dir).unwrap(), RecordedMark::Found { mark: mark(9), is_doubted: true });
        fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn every_bit_of_a_slot_counts() {
        let mut place = to_text(4, mark(5), false).into_bytes();
        place.resize(SLOT_BYTES, 0);
        assert_eq!(parse_slot(&place), Some((4, says(5))));
        let rest = (SLOT_BYTES..SLOT_BYTES * 8).step_by(97);
        for bit in (0..SLOT_BYTES).chain(rest) {
            let mut flipped = place.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            // Upper and lower case of a digit of the checksum are the same digit.
            assert!(parse_slot(&flipped).is_none_or(|said| said == (4, says(5))), "bit {bit}");
        }
    }
}
