//! Cost of sealing and opening the frame of a datagram, with each implementation of the cipher.

use std::hint::black_box;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use gm_codec::{Aead, Channel, Epoch, FrameCodec, Key, Keyring, Limits, NonceSequence, Portable};

fn backends() -> Vec<&'static dyn Aead> {
    vec![
        &Portable,
        #[cfg(feature = "ring")]
        &gm_codec::Ring,
    ]
}

/// Payloads of 128 bytes and of full datagrams of 1,200 bytes; incompressible and not compressed.
fn frames(c: &mut Criterion) {
    let mut nonces = NonceSequence::new(Epoch::new([1; 8]).expect("not zero"));
    for bytes in [128_u16, 1_167] {
        let payload: Vec<u8> =
            (0..u32::from(bytes)).map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes()[1]).collect();
        for aead in backends() {
            let limits = Limits { compress_above: usize::MAX, ..Limits::default() };
            let codec =
                FrameCodec::new("bench".parse().expect("a name"), Keyring::new(Key::new([7; 32])), limits);
            let mut codec = codec.expect("in range").with_aead(aead);
            let mut group = c.benchmark_group("frames");
            group.throughput(Throughput::Bytes(bytes.into()));
            let mut out = Vec::with_capacity(2_000);
            group.bench_function(BenchmarkId::new(format!("seal/{aead:?}"), bytes), |b| {
                b.iter(|| {
                    out.clear();
                    let nonce = nonces.next_nonce().expect("fewer than 2^32");
                    codec.seal(&Channel::Datagram, nonce, black_box(&payload), &mut out).expect("short");
                });
            });
            group.bench_function(BenchmarkId::new(format!("open/{aead:?}"), bytes), |b| {
                let mut scratch = Vec::new();
                b.iter_batched_ref(
                    || out.clone(),
                    |frame| {
                        let opened = codec.open(&Channel::Datagram, frame, &mut scratch).expect("authentic");
                        assert_eq!(opened.payload.len(), usize::from(bytes));
                    },
                    BatchSize::SmallInput,
                );
            });
            group.finish();
        }
    }
}

criterion_group!(benches, frames);
criterion_main!(benches);
