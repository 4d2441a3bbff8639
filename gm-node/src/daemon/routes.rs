//! What can be asked of the daemon over its socket, as `gm_node::api` has it. Knows no command line.
//!
//! `routes/ask.rs`: what a request says; `routes/read.rs`, `routes/write.rs`, `routes/watch.rs`: one function for each route; `routes/gate.rs`: whether
//! writes are accepted; `routes/list.rs`: answers that are as long as the state; `routes/shape.rs`: what the node says, as JSON; `routes/failure.rs`: why something is refused.

mod ask;
mod failure;
mod gate;
mod list;
mod network;
mod peer;
mod read;
mod shape;
mod status;
mod watch;
mod write;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use gm_broadcast::runtime::Sockets;
use gm_node::service::Service;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use super::concerns::Concerns;
use super::config::{Effective, Limits};
use super::http;
use super::multicast::Multicast;
use super::room::Room;
use failure::Failure;
use gate::Gate;
use list::Lists;

/// What routes need besides the node.
#[derive(Debug)]
pub(crate) struct App<S = Service> {
    service: S,
    cluster: String,
    data_dir: Option<PathBuf>,
    is_single: bool,
    multicast: Mutex<Multicast>,
    begun: Instant,
    warnings: Vec<String>,
    limits: Limits,
    lists: Lists,
    pub(super) gate: Gate,
    pub(super) concerns: Concerns,
}

impl App<()> {
    pub(crate) fn new(effective: &Effective, door: &Sockets) -> App<()> {
        let multicast = match (door.group(), door.multicast_error()) {
            (_, Some(trouble)) => Multicast::Refused(trouble.to_string()),
            (None, None) => Multicast::Off,
            (Some(_), None) => Multicast::Testing,
        };
        App {
            service: (),
            cluster: effective.cluster.to_string(),
            data_dir: effective.data_dir.clone(),
            is_single: effective.single,
            multicast: Mutex::new(multicast),
            begun: Instant::now(),
            warnings: effective.warnings.clone(),
            limits: effective.limits,
            lists: Lists::new(effective.limits.patience),
            gate: Gate::default(),
            concerns: Concerns::new(effective.sealing.ids()),
        }
    }

    pub(crate) fn with(self, service: Service) -> App {
        let App {
            cluster,
            data_dir,
            is_single,
            multicast,
            begun,
            warnings,
            limits,
            lists,
            gate,
            concerns,
            ..
        } = self;
        App {
            service,
            cluster,
            data_dir,
            is_single,
            multicast,
            begun,
            warnings,
            limits,
            lists,
            gate,
            concerns,
        }
    }
}

impl App {
    pub(crate) fn set_multicast(&self, found: Multicast) {
        *self.multicast.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn multicast(&self) -> Multicast {
        self.multicast.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves all connections. After `end` it accepts no more, and returns when the requests in progress are answered.
pub(crate) async fn serve(listener: UnixListener, app: Arc<App>, end: oneshot::Receiver<()>) {
    let (descriptors, limits) = (Arc::clone(&app.concerns.descriptors), app.limits);
    let writes = Router::new()
        .route("/v1/groups/{g}/join", post(write::join))
        .route("/v1/groups/{g}/leave", post(write::leave))
        .route("/v1/groups/{g}/change", post(write::change))
        .route("/v1/groups/{g}/resume", post(write::resume))
        .route("/v1/groups/{g}/purge", post(write::purge))
        .route("/v1/forget", post(write::forget))
        .route_layer(from_fn_with_state(Arc::clone(&app), gate::pass));
    let whole = Router::new()
        .route("/v1/groups", get(read::groups))
        .route("/v1/peers", get(read::peers))
        .route_layer(from_fn_with_state(app.lists.clone(), list::whole));
    let router = Router::new()
        .route("/v1/status", get(status::status))
        .route("/v1/groups/{g}", get(read::group))
        .route("/v1/groups/{g}/members", get(read::members))
        .route("/v1/groups/{g}/topology", get(read::topology))
        .route("/v1/groups/{g}/coverage", get(read::coverage))
        .route("/v1/groups/{g}/locate", get(read::locate))
        .route("/v1/groups/{g}/watch", get(watch::watch))
        .merge(writes)
        .merge(whole)
        .fallback(|| async { Failure::no_route() })
        .method_not_allowed_fallback(|| async { Failure::no_route() })
        // It has come already, and is bounded.
        .layer(DefaultBodyLimit::disable())
        .with_state(app);
    let room = Room::new(listener, limits.connections, descriptors);
    // If the sender is dropped, that is the end too.
    http::serve(room, router, limits.patience, async { drop(end.await) }).await;
}

/// What is answered to a request that no route can be found for.
pub(super) fn refusal(status: StatusCode, error: String) -> impl IntoResponse {
    Failure::of_request(status, error)
}
