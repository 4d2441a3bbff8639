//! Routes of the control socket's HTTP API, whose shapes are in `gm_daemon::api`.
//!
//! `routes/read.rs`, `routes/write.rs`, `routes/watch.rs`, `routes/status.rs`: one function for
//! each route; `routes/extract.rs`: parses requests; `routes/gate.rs`: admits writes;
//! `routes/streaming.rs`: streams long answers; `routes/convert.rs`, `routes/network.rs`,
//! `routes/peer.rs`: convert the node's state into the shapes; `routes/error.rs`: refusals.

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
use gm_node::Node;
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

/// State shared by the routes: the node, and facts about the daemon.
#[derive(Debug)]
pub(crate) struct App<S = Node> {
    node: S,
    cluster: String,
    data_dir: Option<PathBuf>,
    is_single: bool,
    multicast: Mutex<MulticastState>,
    started_at: Instant,
    warnings: Vec<String>,
    limits: DaemonLimits,
    answer_slots: AnswerSlots,
    pub(super) gate: Gate,
    pub(super) problems: Problems,
}

impl App<()> {
    pub(crate) fn new(settings: &ResolvedConfig, sockets: &Sockets) -> App<()> {
        let multicast = match (sockets.group(), sockets.multicast_error()) {
            (_, Some(error)) => MulticastState::Refused(error.to_string()),
            (None, None) => MulticastState::Off,
            (Some(_), None) => MulticastState::Testing,
        };
        App {
            node: (),
            cluster: settings.cluster.to_string(),
            data_dir: settings.data_dir.clone(),
            is_single: settings.options.single,
            multicast: Mutex::new(multicast),
            started_at: Instant::now(),
            warnings: settings.warnings.clone(),
            limits: settings.options.limits,
            answer_slots: AnswerSlots::new(settings.options.limits.api_timeout),
            gate: Gate::default(),
            problems: Problems::new(settings.encryption.ids()),
        }
    }

    pub(crate) fn with(self, node: Node) -> App {
        let App {
            cluster,
            data_dir,
            is_single,
            multicast,
            started_at,
            warnings,
            limits,
            answer_slots,
            gate,
            problems,
            ..
        } = self;
        App {
            node,
            cluster,
            data_dir,
            is_single,
            multicast,
            started_at,
            warnings,
            limits,
            answer_slots,
            gate,
            problems,
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

/// Serves connections until `end`, then finishes the requests in progress.
pub(crate) async fn serve(listener: UnixListener, app: Arc<App>, end: oneshot::Receiver<()>) {
    let (descriptors, limits) = (Arc::clone(&app.problems.descriptors), app.limits);
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
        // `http.rs` has read the body already, with its own limit.
        .layer(DefaultBodyLimit::disable())
        .with_state(app);
    let listener = LimitedListener::new(listener, limits.max_connections, descriptors);
    // A dropped sender ends the server too.
    http::serve(listener, router, limits.api_timeout, async { drop(end.await) }).await;
}

/// Answer to a request that reaches no route.
pub(super) fn refusal(status: StatusCode, error: String) -> impl IntoResponse {
    RouteError::from_request(status, error)
}
