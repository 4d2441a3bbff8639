//! The member that `forget` removes: its NetId, or the name of its host and a port, which the system resolves.

use std::net::SocketAddr;

use gm_broadcast::runtime::Seed;
use gm_clock::NetId;

use super::failure::Failure;

/// A member, as the operator names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// By its NetId.
    Node(NetId),
    /// By the name of its host.
    Name {
        /// The name.
        host: String,
        /// The port of the NetId.
        port: u16,
    },
}

/// Reads `10.0.0.1:29999` or `name:29999`.
pub(crate) fn target(text: &str) -> Result<Target, String> {
    match text.parse() {
        Ok(Seed::Address(address)) => {
            NetId::try_from(address).map(Target::Node).map_err(|error| error.to_string())
        }
        Ok(Seed::Name { host, port }) => Ok(Target::Name { host, port }),
        Err(_) => Err("not a node: IP:PORT as `members` prints it, or HOST:PORT".to_owned()),
    }
}

impl Target {
    /// The NetId. A name must have exactly one address.
    pub(crate) async fn node(self) -> Result<NetId, Failure> {
        match self {
            Target::Node(node) => Ok(node),
            Target::Name { host, port } => match tokio::net::lookup_host((host.as_str(), port)).await {
                Ok(found) => one_of(&host, found.collect()),
                Err(error) => Err(Failure::Usage(format!(
                    "{host} is not resolved: {error}. Name the node by its IP:PORT"
                ))),
            },
        }
    }
}

fn one_of(host: &str, found: Vec<SocketAddr>) -> Result<NetId, Failure> {
    let mut nodes: Vec<NetId> =
        found.into_iter().filter_map(|address| NetId::try_from(address).ok()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    match *nodes {
        [node] => Ok(node),
        [] => Err(Failure::Usage(format!(
            "{host} has no address that a node can have. Name the node by its IP:PORT"
        ))),
        _ => {
            let all: Vec<String> = nodes.iter().map(NetId::to_string).collect();
            Err(Failure::Usage(format!(
                "{host} has several addresses: name the node by one of {}",
                all.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_an_address_or_a_name_with_a_port() {
        assert_eq!(target("10.0.0.1:5"), Ok(Target::Node("10.0.0.1:5".parse().unwrap())));
        assert_eq!(target("b.example:5"), Ok(Target::Name { host: "b.example".into(), port: 5 }));
        for wrong in ["10.0.0.1", "b", "b:", "0.0.0.0:5", "[fe80::1]:5", "b:0", "b:65536"] {
            assert!(target(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_means_exactly_one_address() {
        let found = |texts: &[&str]| one_of("b", texts.iter().map(|text| text.parse().unwrap()).collect());
        // The system lists an address once for each kind of socket.
        assert_eq!(found(&["10.0.0.1:5", "10.0.0.1:5"]).unwrap(), "10.0.0.1:5".parse().unwrap());
        let several = found(&["10.0.0.2:5", "10.0.0.1:5"]).unwrap_err();
        assert!(
            several.to_string().contains("one of 10.0.0.1:5, 10.0.0.2:5") && several.code() == 2,
            "{several}"
        );
        assert!(found(&["224.1.1.1:5"]).unwrap_err().to_string().contains("IP:PORT"));
    }
}
