//! Self-test of multicast on an interface: sends probes to the group, and reports whether they are
//! looped back and whether other machines are heard. It needs no machine and no key, as probes have
//! no content. Running nodes count them and discard them.

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

/// The first bytes of a probe, with which no frame begins.
const MAGIC: &[u8] = b"gm multicast self-test\0";
/// Interval of probes.
const PROBE_INTERVAL: Duration = Duration::from_millis(200);

/// The result of a self-test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MulticastSelfTest {
    /// The group.
    pub group: SocketAddr,
    /// The interface's name.
    pub interface: String,
    /// Number of probes sent.
    pub sent: u32,
    /// Number of them that were received back.
    pub looped: u32,
    /// Other machines that sent to the group, probes or anything else, sorted.
    pub neighbors: Vec<IpAddr>,
    /// The conclusion.
    pub verdict: MulticastVerdict,
}

/// Conclusion of a self-test, with the likely cause if multicast does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MulticastVerdict {
    /// Probes are looped back, and other machines are heard; on the loopback interface there are
    /// none.
    Works,
    /// Probes are looped back; no other machine was heard.
    NoOtherNodeHeard,
    /// The interface has no MULTICAST flag.
    NoFlag,
    /// The system has no route to the group.
    NoRoute,
    /// The system forbids sending to the group.
    Forbidden,
    /// Probes were sent, and not looped back to this machine.
    NotLooped,
    /// The system refuses to join or send, for another reason.
    Refused(ErrorKind),
}

impl MulticastVerdict {
    /// The likely cause and the remedy, for an operator.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        match self {
            MulticastVerdict::Works => "multicast works",
            MulticastVerdict::NoOtherNodeHeard => {
                "multicast works on this machine, but no other machine was heard. If other nodes run on this network, a switch or bridge \
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
        let Self { group, interface, sent, looped, neighbors, verdict } = self;
        write!(
            f,
            "multicast to {group} on {interface}: {sent} sent, {looped} looped back, {} others heard: {}",
            neighbors.len(),
            verdict.advice()
        )
    }
}

/// Whether a datagram is a probe, of this node or another.
pub(super) fn is_probe(bytes: &[u8]) -> bool {
    bytes.starts_with(MAGIC)
}

/// Tests the group of these settings on their interface for the given time, or until another
/// machine is heard; `None` if multicast is off. It uses sockets of its own, so a node may run or
/// not.
///
/// # Errors
/// A [`RuntimeError`] of the settings. Multicast that does not work is no error.
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
    let mut results = ProbeResults { group, probe, ours, sent: 0, looped: 0, neighbors: Vec::new() };
    let result = results.listen(&nic, settings.multicast_ttl, within).await;
    results.neighbors.sort_unstable();
    let verdict = results.verdict(result.err(), nic::can_multicast(&nic.name), nic.ip.is_loopback());
    let ProbeResults { sent, looped, neighbors, .. } = results;
    Ok(Some(MulticastSelfTest { group, interface: nic.name, sent, looped, neighbors, verdict }))
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
        let receiver = multicast_receiver(self.group, nic, ttl).map_err(|(_, error)| error)?;
        let receiver = UdpSocket::from_std(receiver.into())?;
        let sender = udp(SocketAddr::new(nic.ip, 0), nic.ip)?;
        configure_multicast_sender(&socket2::SockRef::from(&sender), nic, ttl)?;
        let sender = UdpSocket::from_std(sender.into())?;
        let until = Instant::now() + within;
        let mut next = tokio::time::interval(PROBE_INTERVAL);
        let mut buffer = vec![0; 1 << 16];
        loop {
            tokio::select! {
                _ = next.tick() => {
                    sender.send_to(&self.probe, self.group).await?;
                    self.sent += 1;
                }
                inbound = receiver.recv_from(&mut buffer) => {
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
            // There are no other machines on it, and it may lack the flag.
            None if self.looped > 0 && is_loopback => MulticastVerdict::Works,
            None if self.looped > 0 && can == Some(false) => MulticastVerdict::NoFlag,
            None if self.looped > 0 => MulticastVerdict::NoOtherNodeHeard,
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
        assert_eq!(heard(1, 0).verdict(None, Some(true), false), MulticastVerdict::NoOtherNodeHeard);
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

    #[test]
    fn a_silent_network_is_reported_as_such() {
        let result = MulticastSelfTest {
            group: SocketAddr::from(([224, 1, 1, 1], 29_999)),
            interface: "eth0".to_owned(),
            sent: 11,
            looped: 10,
            neighbors: Vec::new(),
            verdict: MulticastVerdict::NoOtherNodeHeard,
        };
        let text = result.to_string();
        let begin = "multicast to 224.1.1.1:29999 on eth0: 11 sent, 10 looped back, 0 others heard: multicast works on \
                     this machine, but no other machine was heard. If other nodes run on this network, a switch";
        assert!(text.starts_with(begin), "{text}");
    }
}
