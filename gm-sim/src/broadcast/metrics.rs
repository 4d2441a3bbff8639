//! The quality of the protocol as numbers: fixed worlds and seeds, printed as a table that is committed and compared. Knows no campaign.

mod gossip;
mod ground;
mod island;

mod meter;
mod table;
mod tree;

/// Prints the tables.
#[must_use]
#[allow(clippy::print_stdout)]
pub fn run(check: bool) -> u8 {
    let _ = check;
    let which = std::env::var("W").unwrap_or_default();
    let all = match which.as_str() {
        "tree" => tree::sections(&[1_000, 10_000], false),
        "island" => island::sections(),
        _ => Vec::new(),
    };
    for section in all {
        println!("{}", section.markdown());
    }
    0
}
