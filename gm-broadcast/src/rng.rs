//! Pseudo-random numbers from a seed. Only the runtime reads the system's generator.

use std::fmt;
use std::time::Duration;

use rand::rngs::ChaCha20Rng;
use rand::{Rng as _, SeedableRng};

/// A pseudo-random generator: ChaCha20 (RFC 8439) with a seed of 32 bytes. It is fit for nonces and
/// reproducible for ever: all derived values are computed here, so no release of a library changes
/// a simulated run.
pub struct Rng {
    stream: Box<ChaCha20Rng>,
}

impl Rng {
    /// A generator with a seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Rng {
        Rng { stream: Box::new(ChaCha20Rng::from_seed(seed)) }
    }

    /// A generator of its own for one purpose, so that draws for one purpose do not change those
    /// for another.
    #[must_use]
    pub fn fork(&mut self) -> Rng {
        Rng::new(self.bytes())
    }

    /// A random number of 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.fill_bytes(&mut bytes);
        bytes
    }

    /// A number below `end`, uniform up to one part in 2^64; 0 if `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.next_u64()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// An index into a list of that length; 0 if it is empty.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// True with probability `parts / of`.
    pub fn ratio(&mut self, parts: u64, of: u64) -> bool {
        self.below(of) < parts
    }

    /// A duration below `max`, in whole nanoseconds.
    pub fn duration_up_to(&mut self, max: Duration) -> Duration {
        Duration::from_nanos(self.below(u64::try_from(max.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Shuffles a list (Fisher and Yates, in the form of Durstenfeld, CACM 7, 1964).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            let place = self.index(end + 1);
            list.swap(end, place);
        }
    }
}

impl fmt::Debug for Rng {
    /// The state is secret: nonces and handshakes are drawn from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Rng(..)")
    }
}

#[cfg(test)]
mod tests;
