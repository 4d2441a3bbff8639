//! The data of a group.
#![no_std]
