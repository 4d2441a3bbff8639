//! Requests of a [`Group`](super::Group): writes whose options are set by methods, and that are
//! sent when they are awaited.

use std::future::IntoFuture;
use std::ops::{RangeFrom, RangeFull, RangeInclusive};
use std::time::Duration;

use gm_data::{Change, DEFAULT_PRIORITY, KeyRange, RangeError};

use super::{Group, NodeError, NodeFuture};
use crate::command::{AckCount, CommittedWrite, Wait, WriteError, WriteKind};

/// Default of the maximum time to wait for acknowledgements.
const WAIT_TIMEOUT: Duration = Duration::from_secs(5);

/// The wait of a request whose methods set no other.
pub(super) const fn default_wait() -> Wait {
    Wait { timeout: WAIT_TIMEOUT, ..Wait::NONE }
}

/// Other members that must acknowledge a write before its request returns (write concern). The
/// write stands whatever the result, which is [`CommittedWrite::wait`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WaitFor {
    /// Acknowledgement of no other member: the request returns when the write is stored here.
    #[default]
    None,
    /// Any other member.
    One,
    /// This number of other members.
    Count(u64),
    /// Each member whose ranges overlap the change, and at least one member.
    All,
}

impl From<WaitFor> for AckCount {
    fn from(wait: WaitFor) -> AckCount {
        match wait {
            WaitFor::None => AckCount::None,
            WaitFor::One => AckCount::Some(1),
            WaitFor::Count(count) => AckCount::Some(count),
            WaitFor::All => AckCount::All,
        }
    }
}

/// A range of keys as an argument: a [`KeyRange`], `first..=last`, `first..`, or `..` for the whole
/// key space.
pub trait IntoKeyRange {
    /// The range.
    ///
    /// # Errors
    /// [`RangeError::Inverted`] if the first key is above the last.
    fn into_key_range(self) -> Result<KeyRange, RangeError>;
}

impl IntoKeyRange for KeyRange {
    fn into_key_range(self) -> Result<KeyRange, RangeError> {
        Ok(self)
    }
}

impl IntoKeyRange for RangeInclusive<u32> {
    fn into_key_range(self) -> Result<KeyRange, RangeError> {
        KeyRange::try_from(self)
    }
}

impl IntoKeyRange for RangeFrom<u32> {
    fn into_key_range(self) -> Result<KeyRange, RangeError> {
        KeyRange::new(self.start, u32::MAX)
    }
}

impl IntoKeyRange for RangeFull {
    fn into_key_range(self) -> Result<KeyRange, RangeError> {
        Ok(KeyRange::WHOLE)
    }
}

/// A write in a group. It is sent when it is awaited, and dropping the future afterwards does not
/// undo it.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct WriteRequest {
    group: Group,
    kind: Result<WriteKind, RangeError>,
    wait: Wait,
}

impl WriteRequest {
    pub(super) fn new(group: &Group, kind: Result<WriteKind, RangeError>) -> WriteRequest {
        WriteRequest { group: group.clone(), kind, wait: default_wait() }
    }

    /// Waits for acknowledgements of other members. Default: [`WaitFor::None`].
    pub fn wait(mut self, members: WaitFor) -> WriteRequest {
        self.wait.count = members.into();
        self
    }

    /// Counts only members that have synced the write to disk.
    pub fn on_disk(mut self) -> WriteRequest {
        self.wait.on_disk = true;
        self
    }

    /// Maximum time to wait for acknowledgements. Default: 5 s.
    pub fn timeout(mut self, timeout: Duration) -> WriteRequest {
        self.wait.timeout = timeout;
        self
    }
}

impl IntoFuture for WriteRequest {
    type Output = Result<CommittedWrite, NodeError>;
    type IntoFuture = NodeFuture<CommittedWrite>;

    fn into_future(self) -> NodeFuture<CommittedWrite> {
        let WriteRequest { group, kind, wait } = self;
        Box::pin(async move {
            let kind = kind.map_err(WriteError::from)?;
            group.node().write(group.name(), kind, wait).await
        })
    }
}

/// A request to serve a range.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct ServeRequest {
    write: WriteRequest,
    range: Result<KeyRange, RangeError>,
    port: Option<u16>,
    priority: u16,
}

impl ServeRequest {
    pub(super) fn new(group: &Group, range: Result<KeyRange, RangeError>) -> ServeRequest {
        let write = WriteRequest::new(group, Ok(WriteKind::Change(Vec::new())));
        ServeRequest { write, range, port: None, priority: DEFAULT_PRIORITY }
    }

    /// The port of the service, 1 to 65535. Default: that of
    /// [`NodeBuilder::service_port`](super::NodeBuilder::service_port).
    pub fn port(mut self, port: u16) -> ServeRequest {
        self.port = Some(port);
        self
    }

    /// The priority, 1 to 65535: members with a greater one are preferred. Default: 1.
    pub fn priority(mut self, priority: u16) -> ServeRequest {
        self.priority = priority;
        self
    }

    /// Waits for acknowledgements of other members, as [`WriteRequest::wait`] does.
    pub fn wait(mut self, members: WaitFor) -> ServeRequest {
        self.write = self.write.wait(members);
        self
    }

    /// Counts only members that have the write on disk, as [`WriteRequest::on_disk`] does.
    pub fn on_disk(mut self) -> ServeRequest {
        self.write = self.write.on_disk();
        self
    }

    /// Limits the time to wait, as [`WriteRequest::timeout`] does.
    pub fn timeout(mut self, timeout: Duration) -> ServeRequest {
        self.write = self.write.timeout(timeout);
        self
    }
}

impl IntoFuture for ServeRequest {
    type Output = Result<CommittedWrite, NodeError>;
    type IntoFuture = NodeFuture<CommittedWrite>;

    fn into_future(self) -> NodeFuture<CommittedWrite> {
        let ServeRequest { write, range, port, priority } = self;
        let kind = range.map(|range| WriteKind::Change(vec![Change::Serve { range, port, priority }]));
        WriteRequest { kind, ..write }.into_future()
    }
}

/// A request to join a group.
#[derive(Clone, Debug)]
#[must_use = "a request is sent when it is awaited"]
pub struct JoinRequest {
    write: WriteRequest,
    interests: Result<Vec<KeyRange>, RangeError>,
}

impl JoinRequest {
    pub(super) fn new(group: &Group) -> JoinRequest {
        JoinRequest {
            write: WriteRequest::new(group, Ok(WriteKind::Join(Vec::new()))),
            interests: Ok(Vec::new()),
        }
    }

    /// Adds a range that the member is interested in: writes that overlap it reach the member
    /// first. Without any, the interest of a new member is the whole key space.
    pub fn interest(self, range: impl IntoKeyRange) -> JoinRequest {
        self.add_interest(range.into_key_range())
    }

    fn add_interest(mut self, range: Result<KeyRange, RangeError>) -> JoinRequest {
        match (&mut self.interests, range) {
            (Ok(interests), Ok(range)) => interests.push(range),
            (Ok(_), Err(error)) => self.interests = Err(error),
            (Err(_), _) => {}
        }
        self
    }

    /// Waits for acknowledgements of other members, as [`WriteRequest::wait`] does.
    pub fn wait(mut self, members: WaitFor) -> JoinRequest {
        self.write = self.write.wait(members);
        self
    }

    /// Counts only members that have the write on disk, as [`WriteRequest::on_disk`] does.
    pub fn on_disk(mut self) -> JoinRequest {
        self.write = self.write.on_disk();
        self
    }

    /// Limits the time to wait, as [`WriteRequest::timeout`] does.
    pub fn timeout(mut self, timeout: Duration) -> JoinRequest {
        self.write = self.write.timeout(timeout);
        self
    }
}

impl IntoFuture for JoinRequest {
    type Output = Result<CommittedWrite, NodeError>;
    type IntoFuture = NodeFuture<CommittedWrite>;

    fn into_future(self) -> NodeFuture<CommittedWrite> {
        WriteRequest { kind: self.interests.map(WriteKind::Join), ..self.write }.into_future()
    }
}
