//! The daemons of the demo, their key, their directory, and whether multicast works. Knows no group.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gm_broadcast::runtime::{Multicast, MulticastVerdict, RuntimeSettings, self_test};

use super::machine::{self, Machine, gm_node};
use crate::cli::failure::Failure;

/// Beyond it, the path of a control socket may be too long for the system.
const LONGEST_TEMP: usize = 64;
const TESTED_FOR: Duration = Duration::from_millis(500);

/// The daemons. Dropping it kills them and removes their directory.
#[derive(Debug)]
pub(super) struct Cluster {
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) machines: Vec<Machine>,
    settings: Vec<String>,
}

/// What was found of multicast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hears {
    /// It works, in this group.
    Works(SocketAddr),
    /// It does not, or is not wanted, and why.
    Not(String),
}

impl Cluster {
    /// Without machines, with an empty directory.
    pub(super) fn new() -> Result<Cluster, Failure> {
        let temp = std::env::temp_dir();
        let temp = if temp.as_os_str().len() > LONGEST_TEMP { Path::new("/tmp").into() } else { temp };
        let (name, dir) = fresh(&temp)?;
        Ok(Cluster { name, dir, machines: Vec::new(), settings: Vec::new() })
    }

    /// Makes a key and tries multicast. What is settled here holds for all machines.
    pub(super) async fn settle(&mut self, multicast: bool) -> Result<Hears, Failure> {
        let hears = if multicast { try_multicast().await } else { Hears::Not("it is not wanted".to_owned()) };
        let group = match &hears {
            Hears::Works(group) => group.to_string(),
            Hears::Not(_) => "off".to_owned(),
        };
        let key = self.key_file()?.display().to_string();
        let set =
            ["--cluster", &self.name, "--key-file", &key, "--multicast", &group, "--multicast-ttl", "1"];
        self.settings = set.iter().map(|setting| (*setting).to_owned()).collect();
        Ok(hears)
    }

    fn key_file(&self) -> Result<PathBuf, Failure> {
        let made = gm_node()?.arg("keygen").output()?;
        if !made.status.success() {
            let why = String::from_utf8_lossy(&made.stderr).into_owned();
            return Err(Failure::Unreachable(format!("`gm-node keygen`: {why}")));
        }
        let path = self.dir.join("key");
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        file.write_all(&made.stdout)?;
        Ok(path)
    }

    /// Starts so many. The first is the seed of the others.
    pub(super) async fn start(&mut self, machines: usize) -> Result<(), Failure> {
        for number in 1..=machines {
            let mut machine = Machine::new(&self.dir, format!("M{number}"));
            let spawned = machine.spawn(&self.settings);
            self.machines.push(machine);
            spawned?;
            if number == 1 {
                self.machines[0].up().await?;
                self.settings.extend(["--seed".to_owned(), self.machines[0].node.clone()]);
            }
        }
        for machine in &mut self.machines[1..] {
            machine.up().await?;
        }
        Ok(())
    }

    /// Starts one again, with its directory.
    pub(super) async fn restart(&mut self, index: usize) -> Result<(), Failure> {
        self.machines[index].spawn(&self.settings)?;
        self.machines[index].up().await?;
        Ok(())
    }

    /// `M1` for its NetId.
    pub(super) fn name_of<'a>(&'a self, node: &'a str) -> &'a str {
        self.machines.iter().find(|machine| machine.node == node).map_or(node, |machine| &machine.name)
    }

    /// The last lines of all logs.
    pub(super) fn logs(&self) -> String {
        self.machines.iter().map(Machine::tail).collect()
    }

    /// Ends them all and removes their directory.
    pub(super) fn end(&mut self) {
        machine::end(self.machines.iter_mut().filter_map(Machine::hint).collect());
        self.machines.clear();
        // What cannot be removed is in the system's folder for such things.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.end();
    }
}

/// A directory that was not there, for us alone, and a name for the cluster.
fn fresh(temp: &Path) -> io::Result<(String, PathBuf)> {
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

/// In a group of our own port, so that daemons that run here already are not disturbed.
async fn try_multicast() -> Hears {
    let port = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|socket| socket.local_addr());
    let group = match port {
        Ok(address) => SocketAddr::from((Ipv4Addr::new(224, 1, 1, 1), address.port())),
        Err(error) => return Hears::Not(error.to_string()),
    };
    let settings = RuntimeSettings {
        address: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        port: 0,
        multicast: Multicast::Group(group),
        ..RuntimeSettings::default()
    };
    match self_test(&settings, TESTED_FOR).await {
        Ok(Some(test)) if test.verdict == MulticastVerdict::Works => Hears::Works(group),
        Ok(Some(test)) => Hears::Not(test.verdict.advice().to_owned()),
        Ok(None) => Hears::Not("it is off".to_owned()),
        Err(error) => Hears::Not(error.to_string()),
    }
}
