//! The database file: creates, examines, opens and writes it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::InMemoryBackend;
use redb::{
    Builder, Database, DatabaseError, Durability, ReadableTable, StorageBackend, StorageError,
    TableDefinition, TableError,
};

use super::catch_panic::catch_panic;
use super::commit_mark::CommitMark;
use super::error::error_text;
use super::rows::{self, FORMAT_ROW, RowReader, Rows, Table};
use super::{FORMAT, OpenError};
use crate::permissions;
use crate::store::StoredState;

/// A function that opens a file as a database.
pub(super) type FileOpener = Box<dyn Fn(&Path) -> Result<Database, DatabaseError> + Send>;

const NODE: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("node");
const RECORDS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("records");
/// The last commit, see `commit_mark.rs`. A version that does not know this table ignores it.
const COMMITS: TableDefinition<'_, &str, (u128, u64)> = TableDefinition::new("commits");
const LAST: &str = "last";

/// Cache of the database in bytes. The node has all content in memory already, and reads are rare.
const CACHE: usize = 4 << 20;

/// Maximum size in bytes of a database that is read: far more than a node's records can take.
const MAX_DATABASE_BYTES: u64 = 8 << 30;

/// Path of the database in a directory.
pub(super) fn file_in(dir: &Path) -> PathBuf {
    dir.join("gm.redb")
}

/// Options to open files; a new one is readable by its owner only.
pub(super) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Opens a regular file of the directory that no other user may change.
pub(super) fn open_private(path: &Path, options: &mut OpenOptions) -> Result<File, OpenError> {
    let system = |source| OpenError::system("open", path, source);
    let file = crate::file::open_regular(path, options).map_err(system)?;
    permissions::check_permissions(path, &file.metadata().map_err(system)?)?;
    Ok(file)
}

/// Makes file names in a directory durable. Only possible where directories can be opened as files.
pub(super) fn sync_dir(dir: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
}

/// Creates the directory and its parents, if they do not exist, and checks that no other user may
/// change it.
pub(super) fn make_dir(dir: &Path) -> Result<(), OpenError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir).map_err(|source| OpenError::system("create the directory", dir, source))?;
    let meta = fs::metadata(dir).map_err(|source| OpenError::system("access", dir, source))?;
    Ok(permissions::check_permissions(dir, &meta)?)
}

/// Whether a file of any kind exists.
pub(super) fn exists(file: &Path) -> Result<bool, OpenError> {
    file.try_exists().map_err(|source| OpenError::system("look for", file, source))
}

/// Creates the file with a first commit. It is renamed when complete: a crash leaves no file or a
/// complete one.
pub(super) fn create(dir: &Path, stored: &StoredState, mark: CommitMark) -> Result<(), OpenError> {
    let (file, unnamed) = (file_in(dir), dir.join("gm.redb.new"));
    let system = |source| OpenError::system("create", &file, source);
    let mut rows = rows::of_stored(stored).map_err(|error| system(io::Error::other(error)))?;
    rows.insert((Table::Node, FORMAT_ROW.into()), Some(FORMAT.to_string().into_bytes()));
    match fs::remove_file(&unnamed) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => return Err(system(source)),
        _ => {}
    }
    let opened = private_file().create_new(true).open(&unnamed).map_err(system)?;
    let database = builder().create_file(opened).map_err(|error| system(WriteFailure::from(error).0))?;
    write(&database, &rows, &mut Rows::new(), mark).map_err(|WriteFailure(error)| system(error))?;
    drop(database);
    fs::rename(&unnamed, &file).map_err(system)?;
    sync_dir(dir).map_err(system)
}

/// Reads and checks the whole file, in a copy in memory: whatever the database crate does with a
/// damaged file, including a panic or a repair, the file does not change. Also returns the last
/// commit; `None` if an earlier version created the file.
pub(super) fn examine(file: &Path) -> Result<(StoredState, Option<CommitMark>), OpenError> {
    let opened = open_private(file, OpenOptions::new().read(true))?;
    let bytes = crate::file::read_bounded(opened, MAX_DATABASE_BYTES)
        .map_err(|source| OpenError::system("read", file, source))?;
    match catch_panic(move || read(&bytes))
        .unwrap_or_else(|why| Err(ReadFailure::Damaged(format!("its structure is broken ({why})"))))
    {
        Ok(read) => Ok(read),
        Err(ReadFailure::Newer(found)) => {
            Err(OpenError::Newer { file: file.to_owned(), found, known: FORMAT })
        }
        Err(ReadFailure::Damaged(why)) => Err(OpenError::Damaged { file: file.to_owned(), why }),
    }
}

/// Opens a file that was examined.
pub(super) fn open_file(file: &Path) -> Result<Database, DatabaseError> {
    let file = crate::file::open_regular(file, &mut private_file()).map_err(StorageError::Io)?;
    builder().create_file(file)
}

/// Opens the database of a file that was examined.
pub(super) fn open(opener: &FileOpener, file: &Path) -> Result<Database, OpenError> {
    match catch_panic(|| opener(file)) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(DatabaseError::DatabaseAlreadyOpen)) => {
            Err(OpenError::InUse { dir: file.parent().unwrap_or(file).to_owned(), pid: None })
        }
        Ok(Err(error)) => Err(OpenError::system("open", file, WriteFailure::from(error).0)),
        Err(why) => Err(OpenError::Damaged { file: file.to_owned(), why }),
    }
}

/// Writes rows and the commit mark, all or none, and syncs. Adds the previous values of the rows to
/// `before`, also on failure: an error does not show whether they were written after all.
pub(super) fn write(
    database: &Database,
    rows: &Rows,
    before: &mut Rows,
    mark: CommitMark,
) -> Result<(), WriteFailure> {
    let mut transaction = database.begin_write()?;
    transaction.set_durability(Durability::Immediate);
    {
        let mut node = transaction.open_table(NODE)?;
        let mut records = transaction.open_table(RECORDS)?;
        transaction.open_table(COMMITS)?.insert(LAST, (mark.database, mark.number))?;
        for ((table, key), value) in rows {
            let old = match (table, value) {
                (Table::Records, Some(value)) => records.insert(&**key, &**value)?,
                (Table::Records, None) => records.remove(&**key)?,
                (Table::Node, Some(value)) => node.insert(name(key)?, &**value)?,
                (Table::Node, None) => node.remove(name(key)?)?,
            };
            before.insert((*table, key.clone()), old.map(|old| old.value().to_vec()));
        }
    }
    transaction.commit()?;
    Ok(())
}

/// Runs an operation of the database crate; a panic becomes an error.
pub(super) fn guarded<T>(work: impl FnOnce() -> Result<T, WriteFailure>) -> Result<T, String> {
    catch_panic(work)?.map_err(|WriteFailure(error)| error_text(&error))
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(CACHE).create_with_file_format_v3(true);
    builder
}

/// The error of the system, without the context that the database crate adds.
#[derive(Debug)]
pub(super) struct WriteFailure(io::Error);

impl<E: Into<redb::Error>> From<E> for WriteFailure {
    fn from(error: E) -> WriteFailure {
        WriteFailure(match error.into() {
            redb::Error::Io(source) => source,
            error => io::Error::other(error),
        })
    }
}

/// Reason why a database could not be read.
enum ReadFailure {
    Newer(u64),
    Damaged(String),
}

impl<E: Into<redb::Error>> From<E> for ReadFailure {
    fn from(error: E) -> ReadFailure {
        let why = match error.into() {
            redb::Error::Io(source) if source.kind() == io::ErrorKind::InvalidData => {
                "it does not start like a database".to_owned()
            }
            redb::Error::Io(source) if source.kind() == io::ErrorKind::UnexpectedEof => {
                "it is truncated".to_owned()
            }
            redb::Error::TableDoesNotExist(table) => format!("it has no table `{table}`"),
            error => error.to_string(),
        };
        ReadFailure::Damaged(why)
    }
}

fn read(bytes: &[u8]) -> Result<(StoredState, Option<CommitMark>), ReadFailure> {
    if bytes.is_empty() {
        return Err(ReadFailure::Damaged("it is empty".to_owned()));
    }
    let copy = InMemoryBackend::new();
    copy.set_len(bytes.len() as u64).and_then(|()| copy.write(0, bytes)).map_err(StorageError::Io)?;
    // After a crash, the database rolls back uncommitted changes, and its check may find what that
    // repaired.
    let rolled_back = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&rolled_back);
    let mut builder = builder();
    builder.set_repair_callback(move |_| noted.store(true, Ordering::Relaxed));
    let mut database = builder.create_with_backend(copy)?;
    if !database.check_integrity()? && !rolled_back.load(Ordering::Relaxed) {
        return Err(ReadFailure::Damaged("its checksums do not match".to_owned()));
    }
    let transaction = database.begin_read()?;
    let node = transaction.open_table(NODE)?;
    let format =
        node.get(FORMAT_ROW)?.ok_or_else(|| ReadFailure::Damaged("it has no row `format`".to_owned()))?;
    match str::from_utf8(format.value()).ok().and_then(|text| text.parse().ok()) {
        None | Some(0) => return Err(ReadFailure::Damaged("its row `format` is not a number".to_owned())),
        Some(found) if found > FORMAT => return Err(ReadFailure::Newer(found)),
        Some(_) => {}
    }
    let mut reading = RowReader::default();
    for row in node.iter()? {
        let (name, value) = row?;
        reading.node(name.value(), value.value()).map_err(ReadFailure::Damaged)?;
    }
    for row in transaction.open_table(RECORDS)?.iter()? {
        let (key, value) = row?;
        reading.record(key.value(), value.value()).map_err(ReadFailure::Damaged)?;
    }
    let mark = match transaction.open_table(COMMITS) {
        Ok(commits) => commits.get(LAST)?.map(|last| last.value()),
        Err(TableError::TableDoesNotExist(_)) => None,
        Err(error) => return Err(error.into()),
    };
    Ok((reading.end(), mark.map(|(database, number)| CommitMark { database, number })))
}

/// The key of a row in `node`, one of a few names.
fn name(key: &[u8]) -> Result<&str, StorageError> {
    str::from_utf8(key).map_err(|_| StorageError::Corrupted("a name is not text".to_owned()))
}
