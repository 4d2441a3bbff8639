//! The commands that ask and change nothing.

use gm_data::GroupName;
use gm_node::api;

use super::args::{Fresh, Op};
use super::client::{Client, encoded};
use super::failure::{Ended, Failure};
use super::out::{Out, json};
use super::show::{self, Listing};

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

/// Text that is printed at once, in bytes, about.
const PRINTED: usize = 64 << 10;

/// What is asked of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) group: &'a GroupName,
    pub(crate) fresh: Fresh,
}

/// Reads something of a group, and prints it as it comes. Returns its head.
async fn read<L: Listing>(
    client: &Client,
    out: &mut Out,
    Question { group, fresh }: Question<'_>,
    (what, asked): (&str, Option<String>),
    mut listing: L,
) -> Result<L::Head, Failure> {
    let query: Vec<String> = asked.into_iter().chain(fresh.query()).collect();
    let parted = if query.is_empty() { "" } else { "?" };
    let uri = format!("{}{parted}{}", of(group, what), query.join("&"));
    let list = client.list(&uri, fresh.fresh.unwrap_or_default()).await;
    let mut lines = list.map_err(|failure| match failure {
        Failure::Refused(error) if error.kind == "unknown-group" => Failure::NotHeld(error),
        failure => failure,
    })?;
    let Some(mut head) = lines.next::<L::Head>().await? else { return Err(client.empty()) };
    let mut early = L::items(&mut head).into_iter();
    let mut text = String::new();
    let mut end = String::new();
    if out.is_json() {
        text = json(&head)?;
        // The list is the last field: `]}` comes behind what is in it.
        end = text.split_off(text.len().saturating_sub(2));
    }
    let mut is_first = true;
    loop {
        let item = match early.next() {
            Some(item) => item,
            None => match lines.next::<L::Item>().await? {
                Some(item) => item,
                None => break,
            },
        };
        if out.is_json() {
            text.push_str(if std::mem::take(&mut is_first) { "" } else { "," });
            text.push_str(&json(&item)?);
        } else {
            text.push_str(&listing.item(&item));
        }
        if text.len() >= PRINTED {
            out.print(&text)?;
            text.clear();
        }
        if out.is_unread() {
            return Ok(head);
        }
    }
    text.push_str(&if out.is_json() { end + "\n" } else { listing.end(&head) });
    out.print(&text)?;
    Ok(head)
}

fn ended(sync: &api::Sync) -> Ended {
    if sync.verified { Ended::Done } else { Ended::Unverified }
}

pub(crate) async fn members(client: &Client, out: &mut Out, asked: Question<'_>) -> Result<Ended, Failure> {
    let members = read(client, out, asked, ("/members", None), show::Members::new()).await?;
    Ok(ended(&members.sync))
}

pub(crate) async fn topology(
    client: &Client,
    out: &mut Out,
    asked: Question<'_>,
    op: Option<Op>,
) -> Result<Ended, Failure> {
    let op = op.map(|op| format!("op={}", op.told()));
    let topology = read(client, out, asked, ("/topology", op), show::Topology::new()).await?;
    Ok(ended(&topology.sync))
}

pub(crate) async fn coverage(
    client: &Client,
    out: &mut Out,
    asked: Question<'_>,
    require: Option<usize>,
) -> Result<Ended, Failure> {
    let coverage = read(client, out, asked, ("/coverage", None), show::Coverage::new(require)).await?;
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
    asked: Question<'_>,
    key: Option<u32>,
    bytes: Option<String>,
) -> Result<Ended, Failure> {
    let sought = match (key, bytes) {
        (Some(key), _) => format!("key={key}"),
        (None, bytes) => format!("bytes={}", encoded(&bytes.unwrap_or_default())),
    };
    let located = read(client, out, asked, ("/locate", Some(sought)), show::Located::new()).await?;
    Ok(ended(&located.sync))
}

/// The address of something of a group.
pub(crate) fn of(group: &GroupName, what: &str) -> String {
    format!("/v1/groups/{}{what}", encoded(group.as_str()))
}
