//! Groups that are joined and ranges that are served at every start. What stands there already is not written again. Knows nothing of who says so.

use std::time::Duration;

use gm_data::{Change, ChangeError};
use gm_node::service::{Service, ServiceError};
use gm_node::{Wait, What, WriteError};

use super::config::{Joining, Serving};

/// What failed is tried again after this, doubled each time...
const FIRST: Duration = Duration::from_secs(1);
/// ... up to this.
const LONGEST: Duration = Duration::from_secs(60);

/// Joins and serves, one after the other.
pub(crate) async fn apply(service: Service, joins: Vec<Joining>, serves: Vec<Serving>) {
    let joins = joins.into_iter().map(|Joining { group, ranges }| (group, What::Join(ranges)));
    let serves = serves.into_iter().map(|Serving { group, range, port, priority }| {
        (group, What::Change(vec![Change::Serve { range, port: Some(port), priority }]))
    });
    for (group, what) in joins.chain(serves) {
        let mut pause = FIRST;
        loop {
            let done = match &what {
                What::Change(changes) => service.change(&group, changes.clone(), Wait::NONE).await,
                What::Join(ranges) => service.join(&group, ranges.clone(), Wait::NONE).await,
                What::Leave => return,
            };
            match done {
                Ok(written) => {
                    tracing::debug!(%group, changed = written.changed, "`join` or `serve` is applied");
                    break;
                }
                Err(ServiceError::Stopped | ServiceError::Unknown) => return,
                Err(ServiceError::Refused(error)) if may_pass(&error) => {
                    let seconds = pause.as_secs();
                    tracing::error!(%group, "`join` or `serve` is refused, and tried again in {seconds} s: {error}");
                }
                Err(ServiceError::Refused(error)) => {
                    tracing::error!(%group, "`join` or `serve` is refused: {error}");
                    break;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST);
        }
    }
}

/// Whether it may be another time.
const fn may_pass(error: &WriteError) -> bool {
    matches!(
        error,
        WriteError::Store(_)
            | WriteError::Full { .. }
            | WriteError::Change(ChangeError::IdentityConflict { .. })
    )
}
