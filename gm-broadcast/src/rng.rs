//! Chance from one seed. Knows nothing of the system's generator: only a shell draws a seed there.

use std::fmt;
use std::time::Duration;

use rand::rngs::ChaCha20Rng;
use rand::{Rng as _, SeedableRng};

/// A stream of chance, ChaCha20 (RFC 8439) under a seed of 32 bytes: fit for nonces, and the same
/// for one seed for ever. What is made of the stream is written here, so that no release of a
/// library changes a simulated run.
pub struct Rng {
    stream: Box<ChaCha20Rng>,
}

impl Rng {
    /// The stream of a seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Rng {
        Rng { stream: Box::new(ChaCha20Rng::from_seed(seed)) }
    }

    /// A stream of its own for one concern: what one concern draws does not move what another does.
    #[must_use]
    pub fn fork(&mut self) -> Rng {
        Rng::new(self.bytes())
    }

    /// A number of 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.stream.next_u64()
    }

    /// Bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.stream.fill_bytes(&mut bytes);
        bytes
    }

    /// A number below `end`, each alike up to one part in 2^64; 0 if `end` is.
    pub fn below(&mut self, end: u64) -> u64 {
        u64::try_from((u128::from(self.next_u64()) * u128::from(end)) >> 64).unwrap_or(0)
    }

    /// A place in a list of that length; 0 if there is none.
    pub fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).unwrap_or(0)
    }

    /// Whether something that happens `parts` times in `of` happens now.
    pub fn ratio(&mut self, parts: u64, of: u64) -> bool {
        self.below(of) < parts
    }

    /// A duration below `most`, to the nanosecond.
    pub fn duration_up_to(&mut self, most: Duration) -> Duration {
        Duration::from_nanos(self.below(u64::try_from(most.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// Puts a list into any of its orders (Fisher and Yates, as Durstenfeld has it: CACM 7, 1964).
    pub fn shuffle<T>(&mut self, list: &mut [T]) {
        for end in (1..list.len()).rev() {
            let place = self.index(end + 1);
            list.swap(end, place);
        }
    }
}

impl fmt::Debug for Rng {
    /// Nothing of the stream: nonces and openings are drawn from it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Chance(..)")
    }
}

#[cfg(test)]
mod tests;
