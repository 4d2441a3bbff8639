//! Tests of the compressor's buffer: it is used again, and freed if it is large.

use super::{Compressor, MAX_KEPT_BUFFER};

#[test]
fn only_a_large_buffer_is_freed() {
    for (bytes, kept) in
        [(100, 100), (MAX_KEPT_BUFFER, MAX_KEPT_BUFFER), (MAX_KEPT_BUFFER + 1, 0), (2 * MAX_KEPT_BUFFER, 0)]
    {
        let mut compressor = Compressor { buffer: vec![0; bytes], ..Compressor::new() };
        compressor.release();
        assert_eq!((compressor.buffer.len(), compressor.buffer.capacity()), (kept, kept), "of {bytes}");
    }
}

#[test]
fn the_buffer_is_kept_up_to_payloads_of_64_kib() {
    let mut compressor = Compressor::new();
    assert!(compressor.compress(&[7; 64 << 10]).is_some_and(|block| block.len() < 4_000));
    compressor.release();
    let kept = compressor.buffer.as_ptr();
    assert!(compressor.compress(&[8; 1_000]).is_some_and(|block| block.len() < 100));
    assert_eq!(compressor.buffer.as_ptr(), kept);
}
