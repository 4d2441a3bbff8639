//! Temporary.
fn main() {
    let check = std::env::args().any(|a| a == "--check");
    std::process::exit(gm_sim::broadcast::metrics::run(check).into());
}
