//! Shapes of the control socket of `gm-node`, the daemon of gm: the requests and answers of its
//! HTTP API as JSON, see [`api`]. A client in Rust may use them; the program's own command line
//! does.
//!
//! The program is in `main.rs`: it reads the settings (`daemon/config.rs`), runs a
//! [`Node`](gm_node::Node) (`daemon/lifecycle.rs`), and answers on the socket
//! (`daemon/routes.rs`). The command line is in `cli/`, the demo in `demo/`.

pub mod api;
