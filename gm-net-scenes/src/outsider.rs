//! Outsider of a scene: a process without the key that attacks a node until its standard input
//! ends.
//!
//! It floods the node with random datagrams and connections, sends frames that it does not
//! complete, and replays the datagrams of the multicast group.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

/// Default multicast group of the nodes.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 1, 1, 1);
const PORT: u16 = 29_999;
/// Maximum number of open connections with an incomplete frame.
const MAX_INCOMPLETE: usize = 256;
/// Maximum number of datagrams kept for replay.
const MAX_KEPT: usize = 64;

/// Floods and replays. Prints the counts at the end.
pub(crate) fn run(target: SocketAddr) -> Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        flag.store(true, Ordering::Relaxed);
    });
    let listener = UdpSocket::bind((GROUP, PORT)).context("cannot listen to the group")?;
    listener.join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED).context("cannot join the group")?;
    listener.set_nonblocking(true).context("cannot make the socket non-blocking")?;
    let sender = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot open a socket")?;
    // The listener must not receive the replayed datagrams.
    sender.set_multicast_loop_v4(false).context("cannot turn off multicast loopback")?;
    println!("ready");
    std::io::stdout().flush()?;
    let connecting = connections(target, Arc::clone(&ended));
    let beginning = incomplete_frames(target, Arc::clone(&ended));
    let (mut flooded, mut replayed, mut seed) = (0_u64, 0_u64, 0x2545_f491_4f6c_dd1d_u64);
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut buffer = [0; 1 << 16];
    while !ended.load(Ordering::Relaxed) {
        for _ in 0..32 {
            let noise: Vec<u8> = (0..40).flat_map(|_| random(&mut seed).to_le_bytes()).collect();
            flooded += u64::from(sender.send_to(&noise, target).is_ok());
            flooded += u64::from(sender.send_to(&noise, (GROUP, PORT)).is_ok());
        }
        while let Ok((length, _)) = listener.recv_from(&mut buffer) {
            if kept.len() >= MAX_KEPT {
                kept.remove(0);
            }
            kept.push(buffer.get(..length).unwrap_or_default().to_vec());
        }
        for datagram in &kept {
            replayed += u64::from(sender.send_to(datagram, target).is_ok());
            replayed += u64::from(sender.send_to(datagram, (GROUP, PORT)).is_ok());
        }
        // The rate of the flood, not a wait for a condition.
        std::thread::sleep(Duration::from_millis(2));
    }
    let connections = connecting.join().unwrap_or_default();
    let begun = beginning.join().unwrap_or_default();
    println!("flooded {flooded} replayed {replayed} connections {connections} frames begun {begun}");
    Ok(())
}

fn connections(target: SocketAddr, ended: Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut count = 0;
        while !ended.load(Ordering::Relaxed) {
            let Ok(mut stream) = TcpStream::connect_timeout(&target, Duration::from_secs(1)) else {
                continue;
            };
            count += 1;
            let _ = stream.set_read_timeout(Some(Duration::from_secs(1)));
            let _ = stream.write_all(&[0x5a; 4_096]);
            let _ = stream.read_to_end(&mut Vec::new());
        }
        count
    })
}

/// Opens connections and sends an incomplete frame on each: the longest first frame without its
/// last byte, or the header of a frame of 16 MiB and as much of its body as the system buffers.
fn incomplete_frames(target: SocketAddr, ended: Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
    std::thread::spawn(move || {
        let mut count = 0;
        let mut kept = VecDeque::new();
        while !ended.load(Ordering::Relaxed) {
            let Ok(mut stream) = TcpStream::connect_timeout(&target, Duration::from_secs(1)) else {
                continue;
            };
            let _ = stream.set_nonblocking(true);
            let (length, behind): (&[u8], usize) =
                if count % 2 == 0 { (&[0xfb, 0x1f], 4_090) } else { (&[0xf9, 0xff, 0xff, 0x07], 1 << 20) };
            let begun = [&[0x5a; 16], [0x67, 1, 0x5a].as_slice(), length, &vec![0; behind]].concat();
            count += u64::from(stream.write(&begun).is_ok());
            if kept.len() >= MAX_INCOMPLETE {
                kept.pop_front();
            }
            kept.push_back(stream);
            // The rate of the flood, not a wait for a condition.
            std::thread::sleep(Duration::from_millis(2));
        }
        count
    })
}

/// Xorshift generator (Marsaglia 2003): the noise need not be secret.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
