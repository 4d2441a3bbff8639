//! The floor: no protocol at all, N sockets with a task each.
//!
//! An update is one multicast (`--cfg mcast`), or one datagram to each other node (`--cfg ucast`),
//! of 84 bytes, as gm's sealed update has. What a system needs beyond that is its protocol's.

use harness::{Cluster, Env, Tracker, run};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::sync::{Arc, Mutex};
use tokio::net::UdpSocket;

const GROUP: Ipv4Addr = Ipv4Addr::new(239, 77, 77, 79);
const PORT: u16 = 29_973;
const BYTES: usize = 84;

struct Floor {
    mcast: bool,
    sockets: Mutex<Vec<Arc<UdpSocket>>>,
    n: usize,
}

fn addr(i: usize) -> SocketAddrV4 {
    let i = i + 1;
    SocketAddrV4::new(Ipv4Addr::new(127, 0, (i / 250) as u8, (i % 250 + 1) as u8), PORT)
}

async fn hear(me: usize, socket: Arc<UdpSocket>, t: Arc<Tracker>) {
    let mut buf = [0u8; 2048];
    while let Ok((len, _)) = socket.recv_from(&mut buf).await {
        if len >= 8 {
            t.mark(me, u64::from_le_bytes(buf[..8].try_into().unwrap()));
        }
    }
}

fn group_socket() -> std::net::UdpSocket {
    use std::os::fd::FromRawFd;
    // SAFETY: the pointers are valid for the given lengths, and the descriptor is new.
    unsafe {
        let fd = libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_NONBLOCK | libc::SOCK_CLOEXEC, 0);
        let one = 1i32;
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, (&one as *const i32).cast(), 4);
        let at = libc::sockaddr_in {
            sin_family: libc::AF_INET as u16,
            sin_port: (PORT + 1).to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(GROUP).to_be() },
            sin_zero: [0; 8],
        };
        assert!(
            libc::bind(fd, (&at as *const libc::sockaddr_in).cast(), std::mem::size_of_val(&at) as u32) == 0,
            "bind"
        );
        let socket = std::net::UdpSocket::from_raw_fd(fd);
        socket.join_multicast_v4(&GROUP, &Ipv4Addr::LOCALHOST).unwrap();
        socket
    }
}

impl Cluster for Floor {
    const NAME: &'static str = "floor";
    async fn prepare(env: &Env) -> Self {
        Floor { mcast: env.cfg == "mcast", sockets: Mutex::new(vec![]), n: env.n }
    }
    async fn join(&self, env: &Env) {
        for i in 0..env.n {
            let socket = std::net::UdpSocket::bind(addr(i)).unwrap();
            socket.set_nonblocking(true).unwrap();
            if self.mcast {
                let lo = libc::in_addr { s_addr: u32::from(Ipv4Addr::LOCALHOST).to_be() };
                use std::os::fd::AsRawFd;
                // SAFETY: the pointer is valid for 4 bytes.
                unsafe {
                    libc::setsockopt(
                        socket.as_raw_fd(),
                        libc::IPPROTO_IP,
                        libc::IP_MULTICAST_IF,
                        (&lo as *const libc::in_addr).cast(),
                        4,
                    )
                };
                tokio::spawn(hear(
                    i,
                    Arc::new(UdpSocket::from_std(group_socket()).unwrap()),
                    env.tracker.clone(),
                ));
            }
            let socket = Arc::new(UdpSocket::from_std(socket).unwrap());
            tokio::spawn(hear(i, socket.clone(), env.tracker.clone()));
            self.sockets.lock().unwrap().push(socket);
        }
    }
    async fn members(&self, _: usize) -> usize {
        self.n
    }
    async fn publish(&self, i: usize, seq: u64) {
        let socket = self.sockets.lock().unwrap()[i].clone();
        let mut data = [0u8; BYTES];
        data[..8].copy_from_slice(&seq.to_le_bytes());
        let n = if self.mcast { 1 } else { self.n };
        let mcast = self.mcast;
        tokio::spawn(async move {
            for k in 0..n {
                if mcast {
                    socket.send_to(&data, (GROUP, PORT + 1)).await.unwrap();
                } else if k != i {
                    socket.send_to(&data, addr(k)).await.unwrap();
                }
            }
        });
    }
}

#[tokio::main]
async fn main() {
    run::<Floor>().await
}
