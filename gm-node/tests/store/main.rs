//! What a directory as storage promises, on real files: what is reported is there, whatever
//! happens, and what cannot be read is refused in words.
#![cfg(feature = "disk")]
// What is set up here is there; where it is not, the test is what failed. What it prints is for who
// reads figures.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod bench;
mod dumps;
mod durability;
mod fixture;
mod flips;
mod full;
mod kill;
mod refused;
mod suspected_loss;
