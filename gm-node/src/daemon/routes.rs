//! What can be asked of the daemon over its socket, as `gm_node::api` has it. Knows no command
//! line.
//!
//! `routes/extract.rs`: what a request says; `routes/read.rs`, `routes/write.rs`,
//! `routes/watch.rs`: one function for each route; `routes/gate.rs`: whether writes are accepted;
//! `routes/streaming.rs`: answers that are as long as the state; `routes/convert.rs`: what the node
//! says, as JSON; `routes/error.rs`: why something is refused.

mod convert;
mod error;
mod extract;
mod gate;
mod network;
mod peer;
mod read;
mod status;
mod streaming;
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
use gm_node::handle::Node;
use tokio::net::UnixListener;
use tokio::sync::oneshot;

use super::config::{DaemonLimits, ResolvedConfig};
use super::connection_limit::LimitedListener;
use super::http;
use super::multicast::MulticastState;
use super::problems::Problems;
use error::RouteError;
use gate::Gate;
use streaming::AnswerSlots;

/// What routes need besides the node.
#[derive(Debug)]
pub(crate) struct App<S = Node> {
    service: S,
    cluster: String,
    data_dir: Option<PathBuf>,
    is_single: bool,
    multicast: Mutex<MulticastState>,
    started_at: Instant,
    warnings: Vec<String>,
    limits: DaemonLimits,
    answer_slots: AnswerSlots,
    pub(super) gate: Gate,
    pub(super) concerns: Problems,
}

impl App<()> {
    pub(crate) fn new(effective: &ResolvedConfig, door: &Sockets) -> App<()> {
        let multicast = match (door.group(), door.multicast_error()) {
            (_, Some(trouble)) => MulticastState::Refused(trouble.to_string()),
            (None, None) => MulticastState::Off,
            (Some(_), None) => MulticastState::Testing,
        };
        App {
            service: (),
            cluster: effective.cluster.to_string(),
            data_dir: effective.data_dir.clone(),
            is_single: effective.single,
            multicast: Mutex::new(multicast),
            started_at: Instant::now(),
            warnings: effective.warnings.clone(),
            limits: effective.limits,
            answer_slots: AnswerSlots::new(effective.limits.api_timeout),
            gate: Gate::default(),
            concerns: Problems::new(effective.encryption.ids()),
        }
    }

    pub(crate) fn with(self, service: Node) -> App {
        let App {
            cluster,
            data_dir,
            is_single,
            multicast,
            started_at: begun,
            warnings,
            limits,
            answer_slots: lists,
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
            started_at: begun,
            warnings,
            limits,
            answer_slots: lists,
            gate,
            concerns,
        }
    }
}

impl App {
    pub(crate) fn set_multicast(&self, found: MulticastState) {
        *self.multicast.lock().unwrap_or_else(PoisonError::into_inner) = found;
    }

    fn multicast(&self) -> MulticastState {
        self.multicast.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Serves all connections. After `end` it accepts no more, and returns when the requests in
/// progress are answered.
pub(crate) async fn serve(listener: UnixListener, app: Arc<App>, end: oneshot::Receiver<()>) {
    let (descriptors, limits) = (Arc::clone(&app.concerns.descriptors), app.limits);
    let writes = Router::new()
        .route("/v1/groups/{g}/join", post(write::join))
        .route("/v1/groups/{g}/leave", post(write::leave))
        .route("/v1/groups/{g}/change", post(write::change))
        .route("/v1/groups/{g}/resume", post(write::resume))
        .route("/v1/groups/{g}/purge", post(write::purge))
        .route("/v1/forget", post(write::forget))
        .route_layer(from_fn_with_state(Arc::clone(&app), gate::admit_write));
    let whole = Router::new()
        .route("/v1/groups", get(read::groups))
        .route("/v1/peers", get(read::peers))
        .route_layer(from_fn_with_state(app.answer_slots.clone(), streaming::limit_answers));
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
        .fallback(|| async { RouteError::no_such_route() })
        .method_not_allowed_fallback(|| async { RouteError::no_such_route() })
        // It has come already, and is bounded.
        .layer(DefaultBodyLimit::disable())
        .with_state(app);
    let room = LimitedListener::new(listener, limits.max_connections, descriptors);
    // If the sender is dropped, that is the end too.
    http::serve(room, router, limits.api_timeout, async { drop(end.await) }).await;
}

/// What is answered to a request that no route can be found for.
pub(super) fn refusal(status: StatusCode, error: String) -> impl IntoResponse {
    RouteError::from_request(status, error)
}
