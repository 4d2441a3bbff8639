//! Read buffer: one for each thread, from which received bytes are copied.
//!
//! Only the length of what arrives is known afterwards, and a slice of a buffer keeps all of it in
//! memory. So sockets share one large buffer, which no wait is ever in the middle of, and what is
//! kept has its own size.

use std::cell::RefCell;

/// Size of the largest datagram in bytes.
const BUFFER_BYTES: usize = 1 << 16;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

/// Calls a function with the buffer of the thread, which is allocated at the first call.
pub(super) fn with_read_buffer<T>(read: impl FnOnce(&mut [u8]) -> T) -> T {
    BUFFER.with_borrow_mut(|buffer| {
        buffer.resize(BUFFER_BYTES, 0);
        read(buffer)
    })
}
