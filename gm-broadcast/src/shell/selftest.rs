//! Does multicast work on this interface? Probes are sent to the group, and it is listened whether they come back, and whether anybody
//! else is heard. Needs no machine, and no key: a probe says nothing. Running nodes count it, and hand it to nobody.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::address::{System, settle};
use super::clock::entropy;
use super::error::ShellError;
use super::nic::{self, Nic};
use super::settings::Settings;
use super::sockets::{hear, speak, udp};

/// How a probe begins: no frame does.
const MAGIC: &[u8] = b"gm multicast self-test\0";
/// How often a probe is sent.
const EVERY: Duration = Duration::from_millis(200);

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfTest {
    /// The group.
    pub group: SocketAddr,
    /// The interface's name.
    pub interface: String,
    /// Probes that were sent.
    pub sent: u32,
    /// Those of them that came back.
    pub looped: u32,
    /// Other machines that were heard in the group, sorted: by probes of theirs, or by anything else that they multicast.
    pub neighbours: Vec<IpAddr>,
    /// What that means.
    pub verdict: Verdict,
}

/// What a self-test means, and the likely cause if multicast does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// What we send is heard here, and others are heard; on the loopback interface there are none.
    Works,
    /// What we send leaves the machine, as far as it can tell; nobody else was heard.
    NobodyHeard,
    /// The interface says that it cannot multicast.
    NoFlag,
    /// The system knows no way to the group.
    NoRoute,
    /// The system forbids sending to it.
    Forbidden,
    /// It was sent, and did not come back to this very machine.
    NotLooped,
    /// The system does not let us join or send, for another reason.
    Refused(ErrorKind),
}

impl Verdict {
    /// The likely cause and what to do, in words for an operator.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            Verdict::Works => "multicast works",
            Verdict::NobodyHeard => {
                "multicast works on this machine, and no other one was heard. If other nodes run on this network, a switch or bridge \
                 between drops multicast (IGMP snooping without a querier, filters, Wi-Fi isolation, a cloud's network); connections \
                 are used instead"
            }
            Verdict::NoFlag => {
                "the interface has no MULTICAST flag (`ip link set dev NAME multicast on`), or choose another `interface`"
            }
            Verdict::NoRoute => {
                "there is no route to the group: choose an `interface` that is up and has an address"
            }
            Verdict::Forbidden => "a firewall of this machine forbids sending to the group",
            Verdict::NotLooped => {
                "a firewall of this machine drops what comes to the group's port, or the interface does not multicast"
            }
            Verdict::Refused(_) => {
                "the system refuses it: is the `interface` up, and the limit of memberships not reached?"
            }
        }
    }
}

impl fmt::Display for SelfTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, interface, sent, looped, neighbours, verdict } = self;
        write!(
            f,
            "multicast to {group} on {interface}: {sent} sent, {looped} came back, {} others heard: {}",
            neighbours.len(),
            verdict.advice()
        )
    }
}

/// Whether a datagram is a probe of somebody's.
pub(super) fn is_probe(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Tests the group of these settings on their interface for so long, or until somebody else is heard; nothing if multicast is off. It may be
/// made beside a running shell and before one: it has sockets of its own.
///
/// # Errors
/// A [`ShellError`] in the settings. That multicast does not work is no error.
pub async fn self_test(settings: &Settings, within: Duration) -> Result<Option<SelfTest>, ShellError> {
    let nics = nic::list().map_err(ShellError::Interfaces)?;
    let ours: Vec<IpAddr> = nics.iter().map(|nic| nic.ip).collect();
    let system = System { nics, routed: nic::routed(false).or_else(|| nic::routed(true)) };
    let Some((group, nic)) = settle(settings, &system)?.group else { return Ok(None) };
    let mut probe = MAGIC.to_vec();
    probe.extend(entropy()?);
    let mut heard = Heard { group, probe, ours, sent: 0, looped: 0, neighbours: Vec::new() };
    let result = heard.listen(&nic, settings.multicast_ttl, within).await;
    heard.neighbours.sort_unstable();
    let verdict = heard.verdict(result.err(), nic::can_multicast(&nic.name), nic.ip.is_loopback());
    let Heard { sent, looped, neighbours, .. } = heard;
    Ok(Some(SelfTest { group, interface: nic.name, sent, looped, neighbours, verdict }))
}

struct Heard {
    group: SocketAddr,
    probe: Vec<u8>,
    ours: Vec<IpAddr>,
    sent: u32,
    looped: u32,
    neighbours: Vec<IpAddr>,
}

impl Heard {
    async fn listen(&mut self, nic: &Nic, ttl: u8, within: Duration) -> io::Result<()> {
        let ears = hear(self.group, nic, ttl).map_err(|(_, error)| error)?;
        let ears = UdpSocket::from_std(ears.into())?;
        let mouth = udp(SocketAddr::new(nic.ip, 0), nic.ip)?;
        speak(&socket2::SockRef::from(&mouth), nic, ttl)?;
        let mouth = UdpSocket::from_std(mouth.into())?;
        let until = Instant::now() + within;
        let mut next = tokio::time::interval(EVERY);
        let mut buffer = vec![0; 1 << 16];
        loop {
            tokio::select! {
                _ = next.tick() => {
                    mouth.send_to(&self.probe, self.group).await?;
                    self.sent += 1;
                }
                came = ears.recv_from(&mut buffer) => {
                    let (length, from) = came?;
                    self.take(buffer.get(..length).unwrap_or_default(), from);
                    if self.looped > 0 && !self.neighbours.is_empty() {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep_until(until) => return Ok(()),
            }
        }
    }

    fn take(&mut self, bytes: &[u8], from: SocketAddr) {
        if bytes == self.probe {
            self.looped += 1;
        } else if !self.ours.contains(&from.ip())
            && !self.neighbours.contains(&from.ip())
            && self.neighbours.len() < 64
        {
            self.neighbours.push(from.ip());
        }
    }

    fn verdict(&self, error: Option<io::Error>, can: Option<bool>, is_loopback: bool) -> Verdict {
        match error.map(|error| error.kind()) {
            None if self.looped > 0 && !self.neighbours.is_empty() => Verdict::Works,
            // There is nobody else on it, and it need not say that it can.
            None if self.looped > 0 && is_loopback => Verdict::Works,
            None if self.looped > 0 && can == Some(false) => Verdict::NoFlag,
            None if self.looped > 0 => Verdict::NobodyHeard,
            _ if can == Some(false) => Verdict::NoFlag,
            None => Verdict::NotLooped,
            Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown) => {
                Verdict::NoRoute
            }
            Some(ErrorKind::PermissionDenied) => Verdict::Forbidden,
            Some(kind) => Verdict::Refused(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(looped: u32, neighbours: usize) -> Heard {
        let neighbours = vec![IpAddr::from([10, 0, 0, 9]); neighbours];
        let group = super::super::group::DEFAULT_GROUP_V4;
        Heard {
            group,
            probe: Vec::new(),
            ours: vec![IpAddr::from([10, 0, 0, 1])],
            sent: 5,
            looped,
            neighbours,
        }
    }

    #[test]
    fn each_outcome_has_its_cause() {
        let error = |kind: ErrorKind| Some(io::Error::from(kind));
        assert_eq!(heard(1, 1).verdict(None, Some(true), false), Verdict::Works);
        assert_eq!(heard(1, 0).verdict(None, Some(true), false), Verdict::NobodyHeard);
        assert_eq!(heard(0, 0).verdict(None, Some(true), false), Verdict::NotLooped);
        assert_eq!(heard(0, 0).verdict(None, None, false), Verdict::NotLooped);
        assert_eq!(heard(0, 0).verdict(None, Some(false), false), Verdict::NoFlag);
        assert_eq!(heard(1, 0).verdict(None, Some(false), false), Verdict::NoFlag);
        assert_eq!(
            heard(0, 0).verdict(error(ErrorKind::NetworkUnreachable), Some(true), false),
            Verdict::NoRoute
        );
        assert_eq!(
            heard(0, 0).verdict(error(ErrorKind::PermissionDenied), Some(true), false),
            Verdict::Forbidden
        );
        assert_eq!(heard(1, 0).verdict(None, Some(false), true), Verdict::Works);
        let refused = heard(0, 0).verdict(error(ErrorKind::AddrNotAvailable), Some(true), false);
        assert_eq!(refused, Verdict::Refused(ErrorKind::AddrNotAvailable));
    }
}
