//! The commands that write.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use gm_clock::NetId;
use gm_data::{GroupName, KeyRange};
use gm_node::api::{self, Order};
use serde::Serialize;

use super::args::{Ranges, Waiting};
use super::client::Client;
use super::failure::{Ended, Failure};
use super::out::Out;
use super::read::of;
use super::show;

/// Bytes of a file of changes that are read.
const MOST: u64 = 64 << 20;

pub(crate) async fn join(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    interest: &[KeyRange],
    waiting: &Waiting,
) -> Result<Ended, Failure> {
    let ranges = interest.iter().map(|range| [range.start(), range.end()]).collect();
    write(client, out, &of(group, "/join"), &api::Join { ranges, wait: waiting.told() }, waiting).await
}

pub(crate) async fn leave(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    waiting: &Waiting,
) -> Result<Ended, Failure> {
    write(client, out, &of(group, "/leave"), &api::Leave { wait: waiting.told() }, waiting).await
}

pub(crate) async fn change(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    changes: Vec<Order>,
    waiting: &Waiting,
) -> Result<Ended, Failure> {
    write(client, out, &of(group, "/change"), &api::Batch { changes, wait: waiting.told() }, waiting).await
}

pub(crate) async fn forget(
    client: &Client,
    out: &mut Out,
    node: NetId,
    group: Option<&GroupName>,
    waiting: &Waiting,
) -> Result<Ended, Failure> {
    let group = group.map(|group| group.as_str().to_owned());
    let forget = api::Forget { node: node.to_string(), group, wait: waiting.told() };
    write(client, out, "/v1/forget", &forget, waiting).await
}

pub(crate) async fn resume(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    waiting: &Waiting,
) -> Result<Ended, Failure> {
    write(client, out, &of(group, "/resume"), &api::Leave { wait: waiting.told() }, waiting).await
}

pub(crate) async fn purge(
    client: &Client,
    out: &mut Out,
    group: &GroupName,
    unheard: bool,
) -> Result<Ended, Failure> {
    let order = api::Purge { unheard };
    let purged: api::Purged = client.post(&of(group, "/purge"), &order, Duration::ZERO).await?;
    out.say(&purged, show::purged).map_err(Failure::of_what_stands)?;
    Ok(Ended::Done)
}

async fn write(
    client: &Client,
    out: &mut Out,
    uri: &str,
    body: &impl Serialize,
    waiting: &Waiting,
) -> Result<Ended, Failure> {
    let done: Vec<api::Done> = client.post(uri, body, waiting.longest()).await?;
    out.say(&done, |done| show::done(done, &waiting.told())).map_err(Failure::of_what_stands)?;
    Ok(if show::fell_short(&done) { Ended::Short } else { Ended::Done })
}

pub(crate) fn serve(ranges: &Ranges, port: u16, priority: Option<u16>) -> Vec<Order> {
    let serve = |range: &KeyRange| Order::Serve { start: range.start(), end: range.end(), port, priority };
    ranges.0.iter().map(serve).collect()
}

pub(crate) fn unserve(ranges: &Ranges) -> Vec<Order> {
    ranges.0.iter().map(|range| Order::Unserve { start: range.start(), end: range.end() }).collect()
}

pub(crate) fn priority(ranges: &Ranges, priority: &str) -> Vec<Order> {
    let order = |range: &KeyRange| Order::Priority {
        start: range.start(),
        end: range.end(),
        priority: priority.to_owned(),
    };
    ranges.0.iter().map(order).collect()
}

/// The changes in a file, or on standard input.
pub(crate) fn file(path: &Path) -> Result<Vec<Order>, Failure> {
    let (name, read) = if path == Path::new("-") {
        ("standard input".to_owned(), bounded(io::stdin().lock()))
    } else {
        (path.display().to_string(), File::open(path).and_then(bounded))
    };
    let bytes =
        read.map_err(|error| Failure::Usage(format!("the changes cannot be read: {name}: {error}")))?;
    if bytes.len() as u64 > MOST {
        return Err(Failure::TooMuch(format!(
            "{name} is larger than {} MiB: write in several batches",
            MOST >> 20
        )));
    }
    serde_json::from_slice(&bytes).map_err(|error| {
        Failure::Usage(format!("{name} is not a JSON list of changes: {error}. See `gm-node change --help`"))
    })
}

fn bounded(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(MOST + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}
