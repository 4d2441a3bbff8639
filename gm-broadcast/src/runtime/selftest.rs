//! Does multicast work on this interface? Probes are sent to the group, and it is listened whether
//! they come back, and whether anybody else is heard. Needs no machine, and no key: a probe says
//! nothing. Running nodes count it, and hand it to nobody.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::Instant;

use super::address::{SystemAddresses, choose_addresses};
use super::clock::entropy;
use super::error::RuntimeError;
use super::nic::{self, Nic};
use super::settings::RuntimeSettings;
use super::sockets::{configure_multicast_sender, multicast_receiver, udp};

/// How a probe begins: no frame does.
const MAGIC: &[u8] = b"gm multicast self-test\0";
/// How often a probe is sent.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

/// What was found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MulticastSelfTest {
    /// The group.
    pub group: SocketAddr,
    /// The interface's name.
    pub interface: String,
    /// Probes that were sent.
    pub sent: u32,
    /// Those of them that came back.
    pub looped: u32,
    /// Other machines that were heard in the group, sorted: by probes of theirs, or by anything
    /// else that they multicast.
    pub neighbors: Vec<IpAddr>,
    /// What that means.
    pub verdict: MulticastVerdict,
}

/// What a self-test means, and the likely cause if multicast does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MulticastVerdict {
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

impl MulticastVerdict {
    /// The likely cause and what to do, in words for an operator.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            MulticastVerdict::Works => "multicast works",
            MulticastVerdict::NobodyHeard => {
                "multicast works on this machine, and no other one was heard. If other nodes run on this network, a switch or bridge \
                 between drops multicast (IGMP snooping without a querier, filters, Wi-Fi isolation, a cloud's network); connections \
                 are used instead"
            }
            MulticastVerdict::NoFlag => {
                "the interface has no MULTICAST flag (`ip link set dev NAME multicast on`), or choose another `interface`"
            }
            MulticastVerdict::NoRoute => {
                "there is no route to the group: choose an `interface` that is up and has an address"
            }
            MulticastVerdict::Forbidden => "a firewall of this machine forbids sending to the group",
            MulticastVerdict::NotLooped => {
                "a firewall of this machine drops what comes to the group's port, or the interface does not multicast"
            }
            MulticastVerdict::Refused(_) => {
                "the system refuses it: is the `interface` up, and the limit of memberships not reached?"
            }
        }
    }
}

impl fmt::Display for MulticastSelfTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, interface, sent, looped, neighbors: neighbours, verdict } = self;
        write!(
            f,
            "multicast to {group} on {interface}: {sent} sent, {looped} inbound back, {} others heard: {}",
            neighbours.len(),
            verdict.advice()
        )
    }
}

/// Whether a datagram is a probe of somebody's.
pub(super) fn is_probe(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Tests the group of these settings on their interface for so long, or until somebody else is
/// heard; nothing if multicast is off. It may be made beside a running shell and before one: it has
/// sockets of its own.
///
/// # Errors
/// A [`RuntimeError`] in the settings. That multicast does not work is no error.
pub async fn self_test(
    settings: &RuntimeSettings,
    within: Duration,
) -> Result<Option<MulticastSelfTest>, RuntimeError> {
    let nics = nic::list().map_err(RuntimeError::Interfaces)?;
    let ours: Vec<IpAddr> = nics.iter().map(|nic| nic.ip).collect();
    let system = SystemAddresses { nics, routed: nic::routed(false).or_else(|| nic::routed(true)) };
    let Some((group, nic)) = choose_addresses(settings, &system)?.group else { return Ok(None) };
    let mut probe = MAGIC.to_vec();
    probe.extend(entropy()?);
    let mut heard = ProbeResults { group, probe, ours, sent: 0, looped: 0, neighbors: Vec::new() };
    let result = heard.listen(&nic, settings.multicast_ttl, within).await;
    heard.neighbors.sort_unstable();
    let verdict = heard.verdict(result.err(), nic::can_multicast(&nic.name), nic.ip.is_loopback());
    let ProbeResults { sent, looped, neighbors: neighbours, .. } = heard;
    Ok(Some(MulticastSelfTest { group, interface: nic.name, sent, looped, neighbors: neighbours, verdict }))
}

struct ProbeResults {
    group: SocketAddr,
    probe: Vec<u8>,
    ours: Vec<IpAddr>,
    sent: u32,
    looped: u32,
    neighbors: Vec<IpAddr>,
}

impl ProbeResults {
    async fn listen(&mut self, nic: &Nic, ttl: u8, within: Duration) -> io::Result<()> {
        let ears = multicast_receiver(self.group, nic, ttl).map_err(|(_, error)| error)?;
        let ears = UdpSocket::from_std(ears.into())?;
        let mouth = udp(SocketAddr::new(nic.ip, 0), nic.ip)?;
        configure_multicast_sender(&socket2::SockRef::from(&mouth), nic, ttl)?;
        let mouth = UdpSocket::from_std(mouth.into())?;
        let until = Instant::now() + within;
        let mut next = tokio::time::interval(PROBE_INTERVAL);
        let mut buffer = vec![0; 1 << 16];
        loop {
            tokio::select! {
                _ = next.tick() => {
                    mouth.send_to(&self.probe, self.group).await?;
                    self.sent += 1;
                }
                inbound = ears.recv_from(&mut buffer) => {
                    let (length, from) = inbound?;
                    self.on_datagram(buffer.get(..length).unwrap_or_default(), from);
                    if self.looped > 0 && !self.neighbors.is_empty() {
                        return Ok(());
                    }
                }
                () = tokio::time::sleep_until(until) => return Ok(()),
            }
        }
    }

    fn on_datagram(&mut self, bytes: &[u8], from: SocketAddr) {
        if bytes == self.probe {
            self.looped += 1;
        } else if !self.ours.contains(&from.ip())
            && !self.neighbors.contains(&from.ip())
            && self.neighbors.len() < 64
        {
            self.neighbors.push(from.ip());
        }
    }

    fn verdict(&self, error: Option<io::Error>, can: Option<bool>, is_loopback: bool) -> MulticastVerdict {
        match error.map(|error| error.kind()) {
            None if self.looped > 0 && !self.neighbors.is_empty() => MulticastVerdict::Works,
            // There is nobody else on it, and it need not say that it can.
            None if self.looped > 0 && is_loopback => MulticastVerdict::Works,
            None if self.looped > 0 && can == Some(false) => MulticastVerdict::NoFlag,
            None if self.looped > 0 => MulticastVerdict::NobodyHeard,
            _ if can == Some(false) => MulticastVerdict::NoFlag,
            None => MulticastVerdict::NotLooped,
            Some(ErrorKind::NetworkUnreachable | ErrorKind::HostUnreachable | ErrorKind::NetworkDown) => {
                MulticastVerdict::NoRoute
            }
            Some(ErrorKind::PermissionDenied) => MulticastVerdict::Forbidden,
            Some(kind) => MulticastVerdict::Refused(kind),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(looped: u32, neighbours: usize) -> ProbeResults {
        let neighbours = vec![IpAddr::from([10, 0, 0, 9]); neighbours];
        let group = super::super::group::DEFAULT_GROUP_V4;
        ProbeResults {
            group,
            probe: Vec::new(),
            ours: vec![IpAddr::from([10, 0, 0, 1])],
            sent: 5,
            looped,
            neighbors: neighbours,
        }
    }

    #[test]
    fn each_outcome_has_its_cause() {
        let error = |kind: ErrorKind| Some(io::Error::from(kind));
        assert_eq!(heard(1, 1).verdict(None, Some(true), false), MulticastVerdict::Works);
        assert_eq!(heard(1, 0).verdict(None, Some(true), false), MulticastVerdict::NobodyHeard);
        assert_eq!(heard(0, 0).verdict(None, Some(true), false), MulticastVerdict::NotLooped);
        assert_eq!(heard(0, 0).verdict(None, None, false), MulticastVerdict::NotLooped);
        assert_eq!(heard(0, 0).verdict(None, Some(false), false), MulticastVerdict::NoFlag);
        assert_eq!(heard(1, 0).verdict(None, Some(false), false), MulticastVerdict::NoFlag);
        assert_eq!(
            heard(0, 0).verdict(error(ErrorKind::NetworkUnreachable), Some(true), false),
            MulticastVerdict::NoRoute
        );
        assert_eq!(
            heard(0, 0).verdict(error(ErrorKind::PermissionDenied), Some(true), false),
            MulticastVerdict::Forbidden
        );
        assert_eq!(heard(1, 0).verdict(None, Some(false), true), MulticastVerdict::Works);
        let refused = heard(0, 0).verdict(error(ErrorKind::AddrNotAvailable), Some(true), false);
        assert_eq!(refused, MulticastVerdict::Refused(ErrorKind::AddrNotAvailable));
    }
}
