//! The commands that ask and change nothing.

use std::time::Duration;

use gm_data::GroupName;
use gm_node::api;
use serde::de::DeserializeOwned;

use super::args::{Fresh, Op};
use super::client::{Client, encoded};
use super::failure::{Ended, Failure};
use super::out::Out;
use super::show;

pub(crate) async fn status(client: &Client, out: &mut Out) -> Result<Ended, Failure> {
    let status: api::Status = client.get("/v1/status").await?;
    out.say(&status, show::status)?;
    Ok(Ended::Done)
}

pub(crate) async fn groups(client: &Client, out: &mut Out) -> Result<Ended, Failure> {
    let groups: Vec<api::Group> = client.get("/v1/groups").await?;
    out.say(&groups, |groups| show::groups(groups))?;
    Ok(Ended::Done)
}

pub(crate) async fn peers(client: &Client, out: &mut Out) -> Result<Ended, Failure> {
    let peers: Vec<api::Peer> = client.get("/v1/peers").await?;
    out.say(&peers, |peers| show::peers(peers))?;
    Ok(Ended::Done)
}

/// Reads something of a group.
async fn read<T: DeserializeOwned>(
    client: &Client,
    group: &GroupName,
    what: &str,
    query: &[Option<String>],
) -> Result<T, Failure> {
    let query: Vec<&str> = query.iter().flatten().map(String::as_str).collect();
    let parted = if query.is_empty() { "" } else { "?" };
    let uri = format!("{}{parted}{}", of(group, what), query.join("&"));
    let waits = query.iter().find_map(|part| part.strip_prefix("fresh=")?.parse().ok());
    client.get_within(&uri, waits.map_or(Duration::ZERO, Duration::from_millis)).await.map_err(|failure| {
        match failure {
            Failure::Refused(error) if error.kind == "unknown-group" => Failure::NotHeld(error),
            failure => failure,
        }
    })
}

fn ended(sync: &api::Sync) -> Ended {
    if sync.verified { Ended::Done } else { Ended::Unverified }
}

pub(crate) async fn members(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    fresh: Fresh,
) -> Result<Ended, Failure> {
    let members: api::Members = read(client, group, "/members", &[fresh.query()]).await?;
    out.say(&members, show::members)?;
    Ok(ended(&members.sync))
}

pub(crate) async fn topology(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    op: Option<Op>,
    fresh: Fresh,
) -> Result<Ended, Failure> {
    let op = op.map(|op| format!("op={}", op.told()));
    let topology: api::Topology = read(client, group, "/topology", &[op, fresh.query()]).await?;
    out.say(&topology, show::topology)?;
    Ok(ended(&topology.sync))
}

pub(crate) async fn coverage(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    require: Option<usize>,
    fresh: Fresh,
) -> Result<Ended, Failure> {
    let coverage: api::Coverage = read(client, group, "/coverage", &[fresh.query()]).await?;
    out.say(&coverage, |coverage| show::coverage(coverage, require))?;
    Ok(match require {
        None => ended(&coverage.sync),
        // What is known to be served is, whoever else is missing.
        Some(wanted) if coverage.least >= wanted => Ended::Done,
        Some(_) if coverage.sync.verified => Ended::Gap,
        Some(_) => Ended::Unverified,
    })
}

pub(crate) async fn locate(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    key: Option<u32>,
    bytes: Option<String>,
    fresh: Fresh,
) -> Result<Ended, Failure> {
    let sought = match (key, bytes) {
        (Some(key), _) => format!("key={key}"),
        (None, bytes) => format!("bytes={}", encoded(&bytes.unwrap_or_default())),
    };
    let located: api::Located = read(client, group, "/locate", &[Some(sought), fresh.query()]).await?;
    out.say(&located, show::located)?;
    Ok(ended(&located.sync))
}

/// The address of something of a group.
pub(crate) fn of(group: &GroupName, what: &str) -> String {
    format!("/v1/groups/{}{what}", encoded(group.as_str()))
}
