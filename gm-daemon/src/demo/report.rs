//! Tables of the demo: the owners of ranges and keys, as one daemon sees them.

use std::time::{Duration, Instant};

use gm_daemon::api::{Coverage, GroupInfo, OwnerList};
use tokio::time::sleep;

use super::cluster::Cluster;
use super::key_alphabet::{LetterRange, key_for_name};
use crate::cli::args::format_duration;
use crate::cli::error::CommandError;
use crate::cli::render::span;
use crate::cli::table::{Left, Right, Table};

/// Group of the demo.
pub(super) const GROUP: &str = "Customers";
/// Number of members that should serve each key.
pub(super) const REDUNDANCY: usize = 2;
const SYNC_TIMEOUT: Duration = Duration::from_secs(10);

/// Waits until all running daemons have the same state of the group with `members` members. Returns
/// the time it took, and the group.
pub(super) async fn wait_in_sync(
    cluster: &Cluster,
    members: usize,
) -> Result<(Duration, GroupInfo), CommandError> {
    let begun = Instant::now();
    loop {
        let mut groups = Vec::new();
        for machine in cluster.daemons.iter().filter(|machine| machine.is_running()) {
            match machine.client.get::<GroupInfo>(&format!("/v1/groups/{GROUP}")).await {
                Ok(group) => groups.push(Some(group)),
                Err(CommandError::Refused(_)) => groups.push(None),
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
        if begun.elapsed() > SYNC_TIMEOUT {
            let within = format_duration(SYNC_TIMEOUT);
            return Err(CommandError::TimedOut(format!(
                "the daemons are not in sync within {within}: please report this"
            )));
        }
        sleep(Duration::from_millis(2)).await;
    }
}

/// Table of the parts and their owners as one daemon sees them, with a verdict.
pub(super) async fn render_topology(
    cluster: &Cluster,
    parts: &[LetterRange],
    seen_by: usize,
) -> Result<String, CommandError> {
    let mut table = Table::new(&[
        ("CUSTOMERS", Left),
        ("KEYS", Left),
        ("SERVED BY", Right),
        ("IN ORDER OF PREFERENCE", Left),
    ]);
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
    let coverage: Coverage = cluster.daemons[seen_by].client.get(&uri).await?;
    let verdict = if coverage.min_owners >= REDUNDANCY {
        format!("Enough: every customer is served by at least {} machines.", coverage.min_owners)
    } else {
        format!("NOT ENOUGH: some customers are served by {} only.", coverage.min_owners)
    };
    Ok(format!("As {} sees it:\n{table}{verdict}\n", cluster.daemons[seen_by].name))
}

/// Owners of a customer according to each running daemon; one line if all agree.
pub(super) async fn render_owners(cluster: &Cluster, customer: &str) -> Result<String, CommandError> {
    let key = key_for_name(customer);
    let mut answers: Vec<(String, Vec<&str>)> = Vec::new();
    for (index, machine) in cluster.daemons.iter().enumerate().filter(|(_, machine)| machine.is_running()) {
        let owners = locate(cluster, index, key).await?.owners;
        let owners: Vec<_> = owners.iter().map(|owner| cluster.name_of(&owner.node)).collect();
        let answer = if owners.is_empty() { "no machine".to_owned() } else { owners.join(", then ") };
        match answers.iter_mut().find(|(known, _)| *known == answer) {
            Some((_, by)) => by.push(&machine.name),
            None => answers.push((answer, vec![&machine.name])),
        }
    }
    let lines = answers.iter().map(|(answer, by)| {
        format!(
            "The customer {customer:?}, key {key:#010x}, is served by {answer}, according to {}.\n",
            by.join(", ")
        )
    });
    Ok(lines.collect())
}

async fn locate(cluster: &Cluster, by: usize, key: u32) -> Result<OwnerList, CommandError> {
    cluster.daemons[by].client.get(&format!("/v1/groups/{GROUP}/locate?key={key}")).await
}
