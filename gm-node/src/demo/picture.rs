//! Who serves what, as one machine of the demo sees it. Changes nothing.

use std::time::{Duration, Instant};

use gm_node::api::{Coverage, Group, Located};
use tokio::time::sleep;

use super::cluster::Cluster;
use super::letters::{Part, key_of};
use crate::cli::args::spelled;
use crate::cli::failure::Failure;
use crate::cli::show::span;
use crate::cli::table::{Left, Right, Table};

/// The group of the seed's example.
pub(super) const GROUP: &str = "Customers";
/// How many are to serve each key.
pub(super) const REDUNDANCY: usize = 2;
const AGREE_WITHIN: Duration = Duration::from_secs(10);

/// Waits until all machines that run hold the same group with so many members; how long it took, and what they hold.
pub(super) async fn agreement(cluster: &Cluster, members: usize) -> Result<(Duration, Group), Failure> {
    let begun = Instant::now();
    loop {
        let mut groups = Vec::new();
        for machine in cluster.machines.iter().filter(|machine| machine.is_running()) {
            match machine.client.get::<Group>(&format!("/v1/groups/{GROUP}")).await {
                Ok(group) => groups.push(Some(group)),
                Err(Failure::Refused(_)) => groups.push(None),
                Err(failure) => return Err(failure),
            }
        }
        let same = groups.windows(2).all(|pair| match (&pair[0], &pair[1]) {
            (Some(one), Some(other)) => one.fingerprint == other.fingerprint,
            _ => false,
        });
        if let Some(Some(group)) = groups.pop()
            && same
            && group.members == members
        {
            return Ok((begun.elapsed(), group));
        }
        if begun.elapsed() > AGREE_WITHIN {
            let within = spelled(AGREE_WITHIN);
            return Err(Failure::Late(format!(
                "the machines do not agree within {within}: please report this"
            )));
        }
        sleep(Duration::from_millis(2)).await;
    }
}

/// A table of the parts and who serves them, as a machine sees it, and whether that is enough.
pub(super) async fn picture(cluster: &Cluster, parts: &[Part], seen_by: usize) -> Result<String, Failure> {
    let mut table =
        Table::new(&[("CUSTOMERS", Left), ("KEYS", Left), ("SERVED BY", Right), ("IN THIS ORDER", Left)]);
    for part in parts {
        let range = part.range();
        let located = locate(cluster, seen_by, range.start()).await?;
        let owners: Vec<_> = located
            .owners
            .iter()
            .map(|owner| format!("{} (priority {})", cluster.name_of(&owner.node), owner.priority))
            .collect();
        table.row([
            part.name(),
            span(range.start(), range.end()),
            owners.len().to_string(),
            owners.join(", "),
        ]);
    }
    let uri = format!("/v1/groups/{GROUP}/coverage");
    let coverage: Coverage = cluster.machines[seen_by].client.get(&uri).await?;
    let verdict = if coverage.least >= REDUNDANCY {
        format!("Enough: every customer is served by {} machines or more.", coverage.least)
    } else {
        format!("NOT ENOUGH: some customers are served by {} only.", coverage.least)
    };
    Ok(format!("As {} sees it:\n{table}{verdict}\n", cluster.machines[seen_by].name))
}

/// Where each machine that runs finds a customer; one line, if they say the same.
pub(super) async fn found(cluster: &Cluster, customer: &str) -> Result<String, Failure> {
    let key = key_of(customer);
    let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
    for (index, machine) in cluster.machines.iter().enumerate().filter(|(_, machine)| machine.is_running()) {
        let owners = locate(cluster, index, key).await?.owners;
        let owners: Vec<_> = owners.iter().map(|owner| cluster.name_of(&owner.node)).collect();
        let answer = if owners.is_empty() { "nowhere".to_owned() } else { owners.join(", then ") };
        match answers.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, by)) => by.push(&machine.name),
            None => answers.push((answer, vec![&machine.name])),
        }
    }
    let lines = answers.iter().map(|(answer, by)| {
        format!(
            "The customer {customer:?}, key {key:#010x}, is found at {answer}: so say {}.\n",
            by.join(", ")
        )
    });
    Ok(lines.collect())
}

async fn locate(cluster: &Cluster, by: usize, key: u32) -> Result<Located, Failure> {
    cluster.machines[by].client.get(&format!("/v1/groups/{GROUP}/locate?key={key}")).await
}
