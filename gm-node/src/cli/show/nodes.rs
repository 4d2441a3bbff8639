//! Members and peers, for people.

use gm_node::api::{Member, Peer};

use super::ranges::share;
use crate::cli::table::{Left, Right, Table, counted};

/// The members of a group.
pub(crate) fn members(group: &str, members: &[Member]) -> String {
    if members.is_empty() {
        return format!("{group} has no members.\n");
    }
    let mut table = Table::new(&[
        ("NODE", Left),
        ("SERVES", Right),
        ("OF THE KEYS", Right),
        ("INTERESTS", Right),
        ("VERSION", Left),
    ]);
    for member in members {
        table.row([
            member.node.clone(),
            member.serves.to_string(),
            share(member.keys),
            member.interests.to_string(),
            member.version.clone(),
        ]);
    }
    let idle = members.iter().filter(|member| member.serves == 0).count();
    let rest =
        if idle == 0 { String::new() } else { format!(", {idle} of them without a range that it serves") };
    format!("{table}{}{rest}.\n", counted(members.len(), "member", "members"))
}

/// The nodes that a node knows.
pub(crate) fn peers(peers: &[Peer]) -> String {
    if peers.is_empty() {
        return "No other node is known. Name one with --seed HOST:PORT, or mend multicast: gm-node status\n"
            .to_owned();
    }
    let mut table = Table::new(&[("NODE", Left), ("MULTICAST", Left), ("RELATION", Left)]);
    for peer in peers {
        let near = if peer.near { "heard" } else { "-" };
        table.row([peer.node.clone(), near.to_owned(), peer.relation.clone()]);
    }
    let near = peers.iter().filter(|peer| peer.near).count();
    let known = counted(peers.len(), "other node", "other nodes");
    format!(
        "{table}{known}, {near} heard by multicast. That a node is listed does not say that it is alive.\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_say_how_much_they_serve() {
        let member = |node: &str, serves, interests, keys| Member {
            node: node.into(),
            serves,
            interests,
            keys,
            version: "3.7".into(),
        };
        let all = [member("10.0.0.1:29999", 2, 0, 1 << 31), member("10.0.0.22:29999", 0, 1, 0)];
        assert_eq!(
            members("Customers", &all),
            "\
NODE             SERVES  OF THE KEYS  INTERESTS  VERSION
10.0.0.1:29999        2       50.0 %          0  3.7
10.0.0.22:29999       0        0.0 %          1  3.7
2 members, 1 of them without a range that it serves.
"
        );
        assert_eq!(members("Customers", &[]), "Customers has no members.\n");
    }

    #[test]
    fn peers_say_what_they_are_to_us() {
        let peer =
            |node: &str, near, relation: &str| Peer { node: node.into(), near, relation: relation.into() };
        let all = [peer("10.0.0.2:29999", true, "same island"), peer("10.0.1.1:29999", false, "seed")];
        assert_eq!(
            peers(&all),
            "\
NODE            MULTICAST  RELATION
10.0.0.2:29999  heard      same island
10.0.1.1:29999  -          seed
2 other nodes, 1 heard by multicast. That a node is listed does not say that it is alive.
"
        );
        assert!(peers(&[]).contains("--seed"));
    }
}
