//! The outsider of a scene, in a process of its own: without the key it floods a node with random
//! datagrams and connections, begins frames that it does not end, and sends again whatever the
//! group hears. Until its standard input ends.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

/// The group that nodes use if they are told none.
const GROUP: Ipv4Addr = Ipv4Addr::new(224, 1, 1, 1);
const PORT: u16 = 29_999;
/// Connections that are kept open with a frame that does not end.
const HALVES: usize = 256;
/// Datagrams that are kept for being sent again.
const KEPT: usize = 64;

/// Floods and replays; at the end it says how much.
pub(super) fn run(target: SocketAddr) -> Result<()> {
    let ended = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&ended);
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        flag.store(true, Ordering::Relaxed);
    });
    let ears = UdpSocket::bind((GROUP, PORT)).context("cannot listen to the group")?;
    ears.join_multicast_v4(&GROUP, &Ipv4Addr::UNSPECIFIED).context("cannot join the group")?;
    ears.set_nonblocking(true).context("cannot listen without waiting")?;
    let mouth = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).context("cannot open a socket")?;
    // What is sent again must not be heard again.
    mouth.set_multicast_loop_v4(false).context("cannot multicast silently")?;
    println!("ready");
    std::io::stdout().flush()?;
    let connecting = connections(target, Arc::clone(&ended));
    let beginning = half_frames(target, Arc::clone(&ended));
    let (mut flooded, mut replayed, mut seed) = (0_u64, 0_u64, 0x2545_f491_4f6c_dd1d_u64);
    let mut kept: Vec<Vec<u8>> = Vec::new();
    let mut buffer = [0; 1 << 16];
    while !ended.load(Ordering::Relaxed) {
        for _ in 0..32 {
            let noise: Vec<u8> = (0..40).flat_map(|_| random(&mut seed).to_le_bytes()).collect();
            flooded += u64::from(mouth.send_to(&noise, target).is_ok());
            flooded += u64::from(mouth.send_to(&noise, (GROUP, PORT)).is_ok());
        }
        while let Ok((length, _)) = ears.recv_from(&mut buffer) {
            if kept.len() >= KEPT {
                kept.remove(0);
            }
            kept.push(buffer.get(..length).unwrap_or_default().to_vec());
        }
        for datagram in &kept {
            replayed += u64::from(mouth.send_to(datagram, target).is_ok());
            replayed += u64::from(mouth.send_to(datagram, (GROUP, PORT)).is_ok());
        }
        // The pace of a flood, not a wait for anything.
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

/// Connections that bring the longest first frame but for its last byte, or the header of one of 16
/// MiB and as much behind it as the system takes, and then nothing.
fn half_frames(target: SocketAddr, ended: Arc<AtomicBool>) -> std::thread::JoinHandle<u64> {
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
            if kept.len() >= HALVES {
                kept.pop_front();
            }
            kept.push_back(stream);
            // The pace of a flood, not a wait for anything.
            std::thread::sleep(Duration::from_millis(2));
        }
        count
    })
}

/// Marsaglia's xorshift: noise need not be secret.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}
