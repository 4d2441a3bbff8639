//! Resolves an `address` that is a host name, once at the start.

use std::net::{IpAddr, ToSocketAddrs};

use gm_broadcast::runtime::Seed;

/// A resolver of host names.
pub(crate) type Resolver<'a> = &'a dyn Fn(&str) -> Result<Vec<IpAddr>, String>;

/// Resolves with the operating system.
pub(crate) fn resolve_by_system(host: &str) -> Result<Vec<IpAddr>, String> {
    let found = (host, 0).to_socket_addrs().map_err(|error| error.to_string())?;
    Ok(found.map(|address| address.ip()).collect())
}

/// Parses `HOST` or `HOST:PORT`.
pub(super) fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let with_port = if text.contains(':') { text.to_owned() } else { format!("{text}:1") };
    match with_port.parse() {
        Ok(Seed::Name { host, port }) => Some((host, text.contains(':').then_some(port))),
        _ => None,
    }
}

/// The only address of a host that other machines can reach.
pub(super) fn resolve_address(host: &str, names: Resolver<'_>) -> Result<IpAddr, String> {
    let mut found =
        names(host).map_err(|error| format!("`{host}` does not resolve: {error}. Give the IP address"))?;
    found.sort_unstable();
    found.dedup();
    let list = |all: &[IpAddr]| all.iter().map(IpAddr::to_string).collect::<Vec<_>>().join(", ");
    let reachable: Vec<IpAddr> = found.iter().copied().filter(|ip| !ip.is_loopback()).collect();
    match (&*reachable, &*found) {
        ([ip], _) => Ok(*ip),
        ([], [ip]) if host == "localhost" => Ok(*ip),
        ([], []) => Err(format!("`{host}` has no address. Give the IP address")),
        ([], all) => Err(format!(
            "`{host}` resolves to {}, which only this machine can reach: give the IP address by which other nodes reach it",
            list(all)
        )),
        (several, _) => Err(format!("`{host}` resolves to several addresses: give one of {}", list(several))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn a_host_may_come_with_a_port() {
        assert_eq!(host_and_port("a.example"), Some(("a.example".into(), None)));
        assert_eq!(host_and_port("a:5"), Some(("a".into(), Some(5))));
        for wrong in ["", "a b", "a:", "a:x", "a:0", "::1", "10.0.0.1:5"] {
            assert_eq!(host_and_port(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_name_resolves_to_one_reachable_address() {
        let one = |host: &str, texts: &[&str]| resolve_address(host, &|_| Ok(ips(texts)));
        assert_eq!(one("a", &["10.0.0.1", "10.0.0.1"]), Ok(ips(&["10.0.0.1"])[0]));
        // Some systems have such an entry in /etc/hosts.
        assert_eq!(one("a", &["127.0.1.1", "10.0.0.1"]), Ok(ips(&["10.0.0.1"])[0]));
        assert!(
            one("a", &["127.0.1.1"]).unwrap_err().contains("127.0.1.1, which only this machine can reach")
        );
        assert_eq!(one("localhost", &["127.0.0.1"]), Ok(ips(&["127.0.0.1"])[0]));
        assert!(one("a", &["10.0.0.2", "10.0.0.1"]).unwrap_err().contains("one of 10.0.0.1, 10.0.0.2"));
        assert!(
            resolve_address("a", &|_| Err("no such name".into()))
                .unwrap_err()
                .contains("`a` does not resolve: no such name")
        );
    }
}
