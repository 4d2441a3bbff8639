//! Disk store on real files: what is reported is stored, whatever happens, and unreadable files are
//! refused with a reason.
#![cfg(feature = "disk")]
// A test fails by a panic, and its setup may panic too. It prints figures.
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
