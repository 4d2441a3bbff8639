//! Commands that read.

use gm_daemon::api;
use gm_data::GroupName;

use super::args::{FreshArgs, ItemOp};
use super::client::{Client, percent_encode};
use super::error::{CommandError, Outcome};
use super::printer::{Printer, to_json};
use super::render::{self, ListRenderer};

pub(crate) async fn status(client: &Client, out: &mut Printer) -> Result<Outcome, CommandError> {
    let status: api::DaemonStatus = client.get("/v1/status").await?;
    out.print_shape(&status, render::status)?;
    Ok(Outcome::Done)
}

pub(crate) async fn groups(client: &Client, out: &mut Printer) -> Result<Outcome, CommandError> {
    let groups: Vec<api::GroupInfo> = client.get("/v1/groups").await?;
    out.print_shape(&groups, |groups| render::groups(groups))?;
    Ok(Outcome::Done)
}

pub(crate) async fn peers(client: &Client, out: &mut Printer) -> Result<Outcome, CommandError> {
    let peers: Vec<api::PeerInfo> = client.get("/v1/peers").await?;
    out.print_shape(&peers, |peers| render::peers(peers))?;
    Ok(Outcome::Done)
}

/// Approximate number of bytes that are printed at once.
const PRINT_BYTES: usize = 64 << 10;

/// A group to read, and how fresh the answer must be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GroupQuery<'a> {
    pub(crate) group: &'a GroupName,
    pub(crate) fresh: FreshArgs,
}

/// Reads part of a group and prints it as it arrives. Returns the head of the answer.
async fn read<L: ListRenderer>(
    client: &Client,
    out: &mut Printer,
    GroupQuery { group, fresh }: GroupQuery<'_>,
    (what, asked): (&str, Option<String>),
    mut listing: L,
) -> Result<L::Head, CommandError> {
    let query: Vec<String> = asked.into_iter().chain(fresh.query()).collect();
    let parted = if query.is_empty() { "" } else { "?" };
    let uri = format!("{}{parted}{}", group_uri(group, what), query.join("&"));
    let list = client.list(&uri, fresh.fresh.unwrap_or_default()).await;
    let mut lines = list.map_err(|failure| match failure {
        CommandError::Refused(error) if error.kind == api::ErrorKind::UnknownGroup => {
            CommandError::NotHosted(error)
        }
        failure => failure,
    })?;
    let Some(mut head) = lines.next::<L::Head>().await? else { return Err(client.empty_answer()) };
    let mut early = L::items(&mut head).into_iter();
    let mut text = String::new();
    let mut end = String::new();
    if out.is_json() {
        text = to_json(&head)?;
        // The list is the last field, so `]}` follows its entries.
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
            text.push_str(&to_json(&item)?);
        } else {
            text.push_str(&listing.item(&item));
        }
        if text.len() >= PRINT_BYTES {
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

fn outcome(sync: &api::SyncInfo) -> Outcome {
    if sync.verified { Outcome::Done } else { Outcome::Unverified }
}

pub(crate) async fn members(
    client: &Client,
    out: &mut Printer,
    asked: GroupQuery<'_>,
) -> Result<Outcome, CommandError> {
    let members = read(client, out, asked, ("/members", None), render::Members::new()).await?;
    Ok(outcome(&members.sync))
}

pub(crate) async fn topology(
    client: &Client,
    out: &mut Printer,
    asked: GroupQuery<'_>,
    op: Option<ItemOp>,
) -> Result<Outcome, CommandError> {
    let op = op.map(|op| format!("op={}", op.as_str()));
    let topology = read(client, out, asked, ("/topology", op), render::Topology::new()).await?;
    Ok(outcome(&topology.sync))
}

pub(crate) async fn coverage(
    client: &Client,
    out: &mut Printer,
    asked: GroupQuery<'_>,
    require: Option<usize>,
) -> Result<Outcome, CommandError> {
    let coverage = read(client, out, asked, ("/coverage", None), render::Coverage::new(require)).await?;
    Ok(match require {
        None => outcome(&coverage.sync),
        // Missing members can only add owners.
        Some(wanted) if coverage.min_owners >= wanted => Outcome::Done,
        Some(_) if coverage.sync.verified => Outcome::RequirementUnmet,
        Some(_) => Outcome::Unverified,
    })
}

pub(crate) async fn locate(
    client: &Client,
    out: &mut Printer,
    asked: GroupQuery<'_>,
    key: Option<u32>,
    bytes: Option<String>,
) -> Result<Outcome, CommandError> {
    let sought = match (key, bytes) {
        (Some(key), _) => format!("key={key}"),
        (None, bytes) => format!("bytes={}", percent_encode(&bytes.unwrap_or_default())),
    };
    let located = read(client, out, asked, ("/locate", Some(sought)), render::Located::new()).await?;
    Ok(outcome(&located.sync))
}

/// URI of a resource of a group.
pub(crate) fn group_uri(group: &GroupName, what: &str) -> String {
    format!("/v1/groups/{}{what}", percent_encode(group.as_str()))
}
