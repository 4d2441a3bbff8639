//! Runs the program, and daemons in temporary folders.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gm_daemon::api::DaemonStatus;
use serde::de::DeserializeOwned;

/// The program, without settings from the environment.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_gm-node"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("GROUP_MANAGER_") {
            command.env_remove(name);
        }
    }
    command
}

/// A folder that is removed at the end.
#[derive(Debug)]
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("gm-cli-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Output of a command.
#[derive(Debug)]
pub(crate) struct ProgramOutput {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl ProgramOutput {
    pub(crate) fn run(command: &mut Command) -> ProgramOutput {
        let Output { status, stdout, stderr } = command.output().unwrap();
        ProgramOutput {
            code: status.code().unwrap(),
            out: String::from_utf8(stdout).unwrap(),
            err: String::from_utf8(stderr).unwrap(),
        }
    }

    /// Parses the output, which must be one line of JSON.
    #[track_caller]
    pub(crate) fn json<T: DeserializeOwned>(&self) -> T {
        assert_eq!(self.out.matches('\n').count(), 1, "{self:?}");
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    pub(crate) fn succeeded(self) -> ProgramOutput {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self
    }
}

/// Settings that daemons of one cluster share.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) folder: Folder,
    pub(crate) nodes: Vec<Daemon>,
    /// Whether the only daemon runs in single-node mode.
    single: bool,
}

/// A running daemon.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) node: String,
    pub(crate) dir: PathBuf,
    process: Child,
}

impl Cluster {
    /// Starts daemons that know each other.
    pub(crate) fn new(nodes: usize) -> Cluster {
        let folder = Folder::new();
        let key = ProgramOutput::run(program().arg("keygen")).succeeded().out;
        let file = folder.0.join("key");
        fs::write(&file, key).unwrap();
        fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let mut cluster = Cluster { folder, nodes: Vec::new(), single: nodes == 1 };
        for _ in 0..nodes {
            cluster.add();
        }
        cluster
    }

    pub(crate) fn add(&mut self) {
        let dir = self.folder.0.join(format!("n{}", self.nodes.len()));
        let mut run = program();
        run.args(["run", "--address", "127.0.0.1:0", "--cluster", "tests", "--multicast", "off"]);
        run.arg("--key-file")
            .arg(self.folder.0.join("key"))
            .arg("--data-dir")
            .arg(&dir)
            .arg("--exit-with-stdin");
        if self.single {
            run.arg("--single");
        }
        if let Some(first) = self.nodes.first() {
            run.args(["--seed", &first.node]);
        }
        let process = run.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let mut daemon = Daemon { node: String::new(), dir, process };
        daemon.node = wait_for(|| {
            let output = daemon.json(["status"]);
            (output.code == 0).then(|| output.json::<DaemonStatus>().node)
        });
        self.nodes.push(daemon);
    }
}

impl Daemon {
    /// Runs a command for this daemon with `--json`.
    pub(crate) fn json<const N: usize>(&self, args: [&str; N]) -> ProgramOutput {
        ProgramOutput::run(self.command(&args).arg("--json"))
    }

    /// Runs a command for this daemon with text output.
    pub(crate) fn text<const N: usize>(&self, args: [&str; N]) -> ProgramOutput {
        ProgramOutput::run(&mut self.command(&args))
    }

    pub(crate) fn command<S: AsRef<OsStr>>(&self, args: &[S]) -> Command {
        let mut command = program();
        command.args(args).arg("--data-dir").arg(&self.dir);
        command
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.join("gm.sock")
    }

    /// Kills the process, like a crash.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Retries until there is a result, for up to ten seconds.
#[track_caller]
pub(crate) fn wait_for<T>(mut tried: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = tried() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "there is no result in time");
        sleep(Duration::from_millis(10));
    }
}

/// Whether a process listens at the address.
pub(crate) fn is_listening(address: &str) -> bool {
    std::net::TcpStream::connect(address).is_ok()
}

/// Names in a folder.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
