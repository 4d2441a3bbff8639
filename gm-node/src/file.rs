//! Opens and reads files that an operator named or that are in a data directory: only regular
//! files, up to a size limit, without blocking.
//!
//! Opening a FIFO blocks, opening a device may trigger an action, and a mount whose server is gone
//! never responds. So only regular files are opened, and [`run_within`] stops waiting after a time
//! limit.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Maximum number of hanging calls. Further calls are refused.
const MAX_HANGING: usize = 4;

/// Opens a regular file without blocking. The options decide whether a missing file is created.
///
/// # Errors
/// The error of the operating system, or that the path is not a regular file, with a remedy.
pub fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match fs::metadata(path) {
        // Opening some devices triggers an action, so devices are refused before they are opened.
        Ok(meta) => check_regular(&meta)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::custom_flags(
        options,
        rustix::fs::OFlags::NONBLOCK.bits().cast_signed(),
    );
    let file = options.open(path)?;
    // The file may have been replaced since the first check.
    check_regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most `max_bytes` bytes, and returns its metadata too.
///
/// # Errors
/// The error of the operating system, or that the file is not regular, or too large.
pub fn read_regular(path: &Path, max_bytes: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let file = open_regular(path, OpenOptions::new().read(true))?;
    let meta = file.metadata()?;
    if meta.len() > max_bytes {
        return Err(too_large(max_bytes));
    }
    Ok((read_bounded(file, max_bytes)?, meta))
}

/// Reads to the end, but at most `max_bytes` bytes.
///
/// # Errors
/// The error of the reader, or [`FileTooLarge`](io::ErrorKind::FileTooLarge).
pub fn read_bounded(from: impl Read, max_bytes: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(max_bytes.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > max_bytes {
        return Err(too_large(max_bytes));
    }
    Ok(bytes)
}

/// Reads text as [`read_bounded`] does.
///
/// # Errors
/// As [`read_bounded`], or that the text is not UTF-8.
pub fn read_bounded_text(from: impl Read, max_bytes: u64) -> io::Result<String> {
    utf8_text(read_bounded(from, max_bytes)?)
}

/// Converts bytes to text.
///
/// # Errors
/// The bytes are not UTF-8.
pub fn utf8_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Runs `work` on a thread of its own and waits up to `timeout` for its result. A thread that hangs
/// remains until its system call returns or the process ends.
///
/// # Errors
/// The time limit has passed, several earlier calls hang, or no thread can be started.
pub fn run_within<T: Send + 'static>(
    timeout: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let hanging = HANGING.load(Ordering::Acquire);
    if hanging >= MAX_HANGING {
        return Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("{hanging} earlier reads still wait for a file system that does not respond"),
        ));
    }
    let call = Arc::new(AtomicU8::new(RUNNING));
    let ending = EndOnDrop(Arc::clone(&call));
    let (done, result) = sync_channel(1);
    std::thread::Builder::new().name("gm-file".to_owned()).spawn(move || {
        let worked = work();
        drop(ending);
        // This fails if the caller has stopped waiting.
        let _ = done.send(worked);
    })?;
    result.recv_timeout(timeout).map_err(|_| {
        // Count the call before marking it, so that the thread that finds the mark may subtract.
        HANGING.fetch_add(1, Ordering::AcqRel);
        if call.compare_exchange(RUNNING, ABANDONED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            HANGING.fetch_sub(1, Ordering::AcqRel);
        }
        let seconds = timeout.as_secs_f64();
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "the file system does not respond within {seconds} s: is it a mount whose server is gone? Repair or unmount it"
            ),
        )
    })
}

/// Number of abandoned calls that have not ended yet.
static HANGING: AtomicUsize = AtomicUsize::new(0);

/// States of a call.
const RUNNING: u8 = 0;
const ABANDONED: u8 = 1;
const ENDED: u8 = 2;

/// Marks a call as ended, also after a panic.
struct EndOnDrop(Arc<AtomicU8>);

impl Drop for EndOnDrop {
    fn drop(&mut self) {
        if self.0.swap(ENDED, Ordering::AcqRel) == ABANDONED {
            HANGING.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn check_regular(meta: &Metadata) -> io::Result<()> {
    if meta.is_file() {
        return Ok(());
    }
    let kind = file_type_name(meta.file_type());
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {kind}, and only a regular file is opened here: put a regular file there"),
    ))
}

fn file_type_name(of: FileType) -> &'static str {
    #[cfg(unix)]
    {
        use std::os::unix::fs::FileTypeExt;
        if of.is_fifo() {
            return "a FIFO";
        }
        if of.is_socket() {
            return "a socket";
        }
        if of.is_char_device() || of.is_block_device() {
            return "a device";
        }
    }
    if of.is_dir() { "a directory" } else { "something else" }
}

fn too_large(max_bytes: u64) -> io::Error {
    let max = if max_bytes < 1 << 20 {
        format!("{} KiB", max_bytes >> 10)
    } else {
        format!("{} MiB", max_bytes >> 20)
    };
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {max}, and is not read"))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Scratch(std::path::PathBuf);

    impl Scratch {
        fn new(name: &str) -> Scratch {
            let dir = std::env::temp_dir().join(format!("gm-file-{name}-{}", std::process::id()));
            let _ = fs::remove_dir_all(&dir);
            fs::create_dir_all(&dir).unwrap();
            Scratch(dir)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[cfg(unix)]
    #[test]
    fn irregular_files_are_refused_by_name() {
        let scratch = Scratch::new("kinds");
        let fifo = scratch.0.join("fifo");
        assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let socket = scratch.0.join("socket");
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        for (path, kind) in [
            (&*fifo, "a FIFO"),
            (&socket, "a socket"),
            (&scratch.0, "a directory"),
            (Path::new("/dev/zero"), "a device"),
        ] {
            let mut options = OpenOptions::new();
            for options in [options.read(true), OpenOptions::new().write(true).create(true)] {
                let error = open_regular(path, options).unwrap_err();
                assert!(error.to_string().contains(kind), "{}: {error}", path.display());
            }
        }
        let missing = open_regular(&scratch.0.join("none"), OpenOptions::new().read(true)).unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    fn files_beyond_the_limit_are_not_read() {
        let scratch = Scratch::new("large");
        let file = scratch.0.join("file");
        let made = File::create(&file).unwrap();
        made.set_len(2 << 30).unwrap();
        let error = read_regular(&file, 64 << 10).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 64 KiB, and is not read");
        made.set_len(64 << 10).unwrap();
        assert_eq!(read_regular(&file, 64 << 10).unwrap().0.len(), 64 << 10);
        // The length of a stream is known only at its end.
        assert_eq!(read_bounded(io::repeat(7), 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_bounded(&b"123456789"[..], 9).unwrap(), b"123456789");
    }

    #[test]
    fn hanging_calls_are_abandoned_and_limited() {
        let (release, released) = std::sync::mpsc::channel::<()>();
        let released = Arc::new(std::sync::Mutex::new(released));
        for _ in 0..MAX_HANGING {
            let released = Arc::clone(&released);
            let error = run_within(Duration::from_millis(5), move || released.lock().unwrap().recv().is_ok());
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::TimedOut);
        }
        let error = run_within(Duration::from_secs(5), || ()).unwrap_err();
        assert!(error.to_string().starts_with("4 earlier reads still wait"), "{error}");
        drop(release);
        while HANGING.load(Ordering::Acquire) > 0 {
            std::thread::yield_now();
        }
        assert_eq!(run_within(Duration::from_secs(20), || 7).unwrap(), 7);
    }
}
