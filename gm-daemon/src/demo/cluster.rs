//! The daemons of the demo: their key, their directory, and the multicast test.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gm_broadcast::runtime::{Multicast, MulticastVerdict, RuntimeSettings, self_test};

use super::daemon_process::{self, DemoDaemon, program};
use crate::cli::error::CommandError;

/// Maximum length of the temporary directory's path; beyond it, sockets' paths may be too long.
const LONGEST_TEMP: usize = 64;
const MULTICAST_TEST: Duration = Duration::from_millis(500);

/// The daemons. Dropping it kills them and removes their directory.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) daemons: Vec<DemoDaemon>,
    settings: Vec<String>,
}

/// Result of the multicast test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum MulticastTest {
    /// Multicast works, in this group.
    Works(SocketAddr),
    /// Multicast does not work or is not requested; with the reason.
    Fails(String),
}

impl Cluster {
    /// Creates a cluster without daemons, with an empty directory.
    pub(super) fn new() -> Result<Cluster, CommandError> {
        let temp = std::env::temp_dir();
        let temp = if temp.as_os_str().len() > LONGEST_TEMP { Path::new("/tmp").into() } else { temp };
        let (name, dir) = create_directory(&temp)?;
        Ok(Cluster { name, dir, daemons: Vec::new(), settings: Vec::new() })
    }

    /// Creates a key and tests multicast. The resulting settings are the same for all daemons.
    pub(super) async fn configure(&mut self, multicast: bool) -> Result<MulticastTest, CommandError> {
        let multicast =
            if multicast { try_multicast().await } else { MulticastTest::Fails("not requested".to_owned()) };
        let group = match &multicast {
            MulticastTest::Works(group) => group.to_string(),
            MulticastTest::Fails(_) => "off".to_owned(),
        };
        let key = self.key_file()?.display().to_string();
        let set =
            ["--cluster", &self.name, "--key-file", &key, "--multicast", &group, "--multicast-ttl", "1"];
        self.settings = set.iter().map(|setting| (*setting).to_owned()).collect();
        Ok(multicast)
    }

    fn key_file(&self) -> Result<PathBuf, CommandError> {
        let made = program()?.arg("keygen").output()?;
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(CommandError::Unreachable(format!("`gm-node keygen`: {why}")));
        }
        let path = self.dir.join("key");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(&made.stdout)?;
        Ok(path)
    }

    /// Starts daemons. The first one is the seed of the others.
    pub(super) async fn start(&mut self, machines: usize) -> Result<(), CommandError> {
        for number in 1..=machines {
            let mut machine = DemoDaemon::new(&self.dir, format!("M{number}"));
            let spawned = machine.spawn(&self.settings);
            self.daemons.push(machine);
            spawned?;
            if number == 1 {
                self.daemons[0].wait_ready().await?;
                self.settings.extend(["--seed".to_owned(), self.daemons[0].node.clone()]);
            }
        }
        for machine in &mut self.daemons[1..] {
            machine.wait_ready().await?;
        }
        Ok(())
    }

    /// Restarts a daemon with its directory.
    pub(super) async fn restart(&mut self, index: usize) -> Result<(), CommandError> {
        self.daemons[index].spawn(&self.settings)?;
        self.daemons[index].wait_ready().await?;
        Ok(())
    }

    /// Name of the daemon with a NetId, for example `M1`.
    pub(super) fn name_of<'a>(&'a self, node: &'a str) -> &'a str {
        self.daemons.iter().find(|machine| machine.node == node).map_or(node, |machine| &machine.name)
    }

    /// Last lines of all logs.
    pub(super) fn logs(&self) -> String {
        self.daemons.iter().map(DemoDaemon::tail).collect()
    }

    /// Stops all daemons and removes their directory.
    pub(super) fn stop(&mut self) {
        daemon_process::wait_ended(self.daemons.iter_mut().filter_map(DemoDaemon::request_end).collect());
        self.daemons.clear();
        // Remaining files are in the system's temporary directory.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Creates a private directory, and a name for the cluster.
fn create_directory(temp: &Path) -> io::Result<(String, PathBuf)> {
    let process = std::process::id();
    let mut last = io::Error::from(io::ErrorKind::AlreadyExists);
    for number in 0..100_u32 {
        let name = format!("gm-demo-{process}-{number}");
        let dir = temp.join(&name);
        match DirBuilder::new().mode(0o700).create(&dir) {
            Ok(()) => return Ok((name, dir)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => last = error,
            Err(error) => return Err(error),
        }
    }
    Err(last)
}

/// Tests multicast with a free port, so that other daemons on this machine are not disturbed.
async fn try_multicast() -> MulticastTest {
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let group = match port {
        Ok(address) => SocketAddr::from((Ipv4Addr::new(224, 1, 1, 1), address.port())),
        Err(error) => return MulticastTest::Fails(error.to_string()),
    };
    let settings = RuntimeSettings {
        address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port: 0,
        multicast: Multicast::Group(group),
        ..RuntimeSettings::default()
    };
    match self_test(&settings, MULTICAST_TEST).await {
        Ok(Some(test)) if test.verdict == MulticastVerdict::Works => MulticastTest::Works(group),
        Ok(Some(test)) => MulticastTest::Fails(test.verdict.advice().to_owned()),
        Ok(None) => MulticastTest::Fails("off".to_owned()),
        Err(error) => MulticastTest::Fails(error.to_string()),
    }
}
