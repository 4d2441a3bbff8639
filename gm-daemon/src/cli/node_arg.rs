//! The argument of `forget`: a member's NetId, or a host name and a port.

use std::net::SocketAddr;

use gm_broadcast::runtime::Seed;
use gm_clock::NetId;

use super::error::CommandError;

/// A member, as it was named on the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NodeArg {
    /// A NetId.
    Node(NetId),
    /// A host name.
    Name {
        /// The host's name.
        host: String,
        /// The port of the NetId.
        port: u16,
    },
}

/// Parses `10.0.0.1:29999` or `name:29999`.
pub(crate) fn parse_node(text: &str) -> Result<NodeArg, String> {
    match text.parse() {
        Ok(Seed::Address(address)) => {
            NetId::try_from(address).map(NodeArg::Node).map_err(|error| error.to_string())
        }
        Ok(Seed::Name { host, port }) => Ok(NodeArg::Name { host, port }),
        Err(_) => Err("not a node: IP:PORT as `members` prints it, or HOST:PORT".to_owned()),
    }
}

impl NodeArg {
    /// Returns the NetId. A name must resolve to exactly one address.
    pub(crate) async fn resolve(self) -> Result<NetId, CommandError> {
        match self {
            NodeArg::Node(node) => Ok(node),
            NodeArg::Name { host, port } => match tokio::net::lookup_host((host.as_str(), port)).await {
                Ok(found) => single_address(&host, found.collect()),
                Err(error) => Err(CommandError::Usage(format!(
                    "{host} does not resolve: {error}. Give the IP:PORT of the node"
                ))),
            },
        }
    }
}

fn single_address(host: &str, found: Vec<SocketAddr>) -> Result<NetId, CommandError> {
    let mut nodes: Vec<NetId> =
        found.into_iter().filter_map(|address| NetId::try_from(address).ok()).collect();
    nodes.sort_unstable();
    nodes.dedup();
    match *nodes {
        [node] => Ok(node),
        [] => Err(CommandError::Usage(format!(
            "{host} has no address that a node can have. Give the IP:PORT of the node"
        ))),
        _ => {
            let all: Vec<String> = nodes.iter().map(NetId::to_string).collect();
            Err(CommandError::Usage(format!("{host} has several addresses: give one of {}", all.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_an_address_or_a_name_with_a_port() {
        assert_eq!(parse_node("10.0.0.1:5"), Ok(NodeArg::Node("10.0.0.1:5".parse().unwrap())));
        assert_eq!(parse_node("b.example:5"), Ok(NodeArg::Name { host: "b.example".into(), port: 5 }));
        for wrong in ["10.0.0.1", "b", "b:", "0.0.0.0:5", "[fe80::1]:5", "b:0", "b:65536"] {
            assert!(parse_node(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_name_means_exactly_one_address() {
        let found =
            |texts: &[&str]| single_address("b", texts.iter().map(|text| text.parse().unwrap()).collect());
        // The system lists an address once for each kind of socket.
        assert_eq!(found(&["10.0.0.1:5", "10.0.0.1:5"]).unwrap(), "10.0.0.1:5".parse().unwrap());
        let several = found(&["10.0.0.2:5", "10.0.0.1:5"]).unwrap_err();
        assert!(
            several.to_string().contains("one of 10.0.0.1:5, 10.0.0.2:5") && several.exit_code() == 2,
            "{several}"
        );
        assert!(found(&["224.1.1.1:5"]).unwrap_err().to_string().contains("IP:PORT"));
    }
}
