//! Files that an operator or a data directory names: opened without waiting for anybody, regular
//! ones only, and read up to a bound. Knows nothing of what is in them.
//!
//! A FIFO blocks whoever opens it, a device may take the opening for a command, and a mount whose
//! server is gone answers nobody: so what is no regular file is refused, and [`run_within`] gives
//! up waiting.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::mpsc::sync_channel;
use std::time::Duration;

/// Calls that may hang at one time; one more is refused.
const MAX_HANGING: usize = 4;

/// Opens a regular file. What is there already is never waited for; whether a file that is not
/// there is made, the options say.
///
/// # Errors
/// What the system said, or that it is no regular file, with what to do.
pub fn open_regular(path: &Path, options: &mut OpenOptions) -> io::Result<File> {
    match fs::metadata(path) {
        // A device is not even opened: for some that is a command.
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
    // It may be another one by now.
    check_regular(&file.metadata()?)?;
    Ok(file)
}

/// Reads a regular file of at most so many bytes. Also returns what the system says of the file
/// that was read.
///
/// # Errors
/// What the system said, that it is no regular file, or that it is larger.
pub fn read_regular(path: &Path, most: u64) -> io::Result<(Vec<u8>, Metadata)> {
    let file = open_regular(path, OpenOptions::new().read(true))?;
    let meta = file.metadata()?;
    if meta.len() > most {
        return Err(too_large(most));
    }
    Ok((read_bounded(file, most)?, meta))
}

/// Reads to the end, and at most so many bytes.
///
/// # Errors
/// What the system said, or [`FileTooLarge`](io::ErrorKind::FileTooLarge).
pub fn read_bounded(from: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(too_large(most));
    }
    Ok(bytes)
}

/// As [`read_bounded`], of text.
///
/// # Errors
/// As [`read_bounded`], or that it is not UTF-8.
pub fn read_bounded_text(from: impl Read, most: u64) -> io::Result<String> {
    utf8_text(read_bounded(from, most)?)
}

/// Bytes as text.
///
/// # Errors
/// That they are not UTF-8.
pub fn utf8_text(bytes: Vec<u8>) -> io::Result<String> {
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

/// Does something with files in a thread of its own, and waits for it so long. A thread that hangs
/// stays until the system lets it go or the process ends.
///
/// # Errors
/// That nothing came of it in time, that several others hang already, or that the system gives no
/// thread.
pub fn run_within<T: Send + 'static>(
    time: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let hang = HANGING.load(Ordering::Acquire);
    if hang >= MAX_HANGING {
        return Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!("{hang} earlier reads still wait for a file system that does not answer"),
        ));
    }
    let call = Arc::new(AtomicU8::new(RUNNING));
    let ending = EndOnDrop(Arc::clone(&call));
    let (done, result) = sync_channel(1);
    std::thread::Builder::new().name("gm-file".to_owned()).spawn(move || {
        let worked = work();
        drop(ending);
        // Nobody may wait for it any longer.
        let _ = done.send(worked);
    })?;
    result.recv_timeout(time).map_err(|_| {
        // Counted before it is marked: so whoever finds the mark finds it counted.
        HANGING.fetch_add(1, Ordering::AcqRel);
        if call.compare_exchange(RUNNING, ABANDONED, Ordering::AcqRel, Ordering::Acquire).is_err() {
            HANGING.fetch_sub(1, Ordering::AcqRel);
        }
        let seconds = time.as_secs_f64();
        io::Error::new(
            io::ErrorKind::TimedOut,
            format!(
                "the file system does not answer within {seconds} s: is it a mount whose server is gone? Mend or unmount it"
            ),
        )
    })
}

/// Calls that were given up and have not ended yet.
static HANGING: AtomicUsize = AtomicUsize::new(0);

/// How a call stands.
const RUNNING: u8 = 0;
const ABANDONED: u8 = 1;
const ENDED: u8 = 2;

/// Notes that a call has ended, however it did.
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

fn too_large(most: u64) -> io::Error {
    let most = if most < 1 << 20 { format!("{} KiB", most >> 10) } else { format!("{} MiB", most >> 20) };
    io::Error::new(io::ErrorKind::FileTooLarge, format!("it is larger than {most}, and is not read"))
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
    fn what_is_no_regular_file_is_refused_at_once_by_name() {
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
    fn what_is_too_large_is_not_read() {
        let scratch = Scratch::new("large");
        let file = scratch.0.join("file");
        let made = File::create(&file).unwrap();
        made.set_len(2 << 30).unwrap();
        let error = read_regular(&file, 64 << 10).unwrap_err();
        assert_eq!(error.to_string(), "it is larger than 64 KiB, and is not read");
        made.set_len(64 << 10).unwrap();
        assert_eq!(read_regular(&file, 64 << 10).unwrap().0.len(), 64 << 10);
        // A stream says its length at its end only.
        assert_eq!(read_bounded(io::repeat(7), 9).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert_eq!(read_bounded(&b"123456789"[..], 9).unwrap(), b"123456789");
    }

    #[test]
    fn what_hangs_is_given_up_and_only_some_may_hang() {
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
