//! The commands that ask and change nothing.

use gm_data::GroupName;
use gm_node::api;

use super::args::Op;
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

pub(crate) async fn members(client: &Client, out: &mut Out, group: &GroupName) -> Result<Ended, Failure> {
    let members: Vec<api::Member> = client.get(&of(group, "/members")).await?;
    out.say(&members, |members| show::members(group.as_str(), members))?;
    Ok(Ended::Done)
}

pub(crate) async fn topology(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    op: Option<Op>,
) -> Result<Ended, Failure> {
    let mut uri = of(group, "/topology");
    if let Some(op) = op {
        uri.push_str("?op=");
        uri.push_str(op.told());
    }
    let items: Vec<api::Item> = client.get(&uri).await?;
    out.say(&items, |items| show::topology(group.as_str(), items))?;
    Ok(Ended::Done)
}

pub(crate) async fn coverage(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    require: Option<usize>,
) -> Result<Ended, Failure> {
    let coverage: api::Coverage = client.get(&of(group, "/coverage")).await?;
    out.say(&coverage, |coverage| show::coverage(coverage, require))?;
    let enough = require.is_none_or(|wanted| coverage.least >= wanted);
    Ok(if enough { Ended::Done } else { Ended::Gap })
}

pub(crate) async fn locate(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    key: Option<u32>,
    bytes: Option<String>,
) -> Result<Ended, Failure> {
    let query = match (key, bytes) {
        (Some(key), _) => format!("/locate?key={key}"),
        (None, bytes) => format!("/locate?bytes={}", encoded(&bytes.unwrap_or_default())),
    };
    let located: api::Located = client.get(&of(group, &query)).await?;
    out.say(&located, show::located)?;
    Ok(Ended::Done)
}

/// The address of something of a group.
pub(crate) fn of(group: &GroupName, what: &str) -> String {
    format!("/v1/groups/{}{what}", encoded(group.as_str()))
}
