//! Packet loss in the namespace of a run.
//!
//! | mode | what is dropped |
//! |---|---|
//! | `dgram` | whole datagrams, by a rule; TCP is spared |
//! | `all` | every IP packet, TCP too, by a rule; the RPC of the harness is spared |
//! | `each` | datagrams in each receiving UDP socket by itself, and TCP segments by a rule |
//!
//! On one loopback a rule drops a multicast for all receivers or for none, so multicast needs
//! `each`, which is the same as `all` for unicast. `each` reaches the sockets of this process only.

use std::process::{Command, Stdio};

use crate::wire::RPC_PORTS;

/// Name of the table of rules.
const TABLE: &str = "pb";

/// Loses `percent` of the packets from now on.
pub(crate) fn set_loss(percent: u64, mode: &str) {
    let mut delete = Command::new("nft");
    // Without a table there is nothing to delete.
    let _ = delete.args(["delete", "table", "inet", TABLE]).stderr(Stdio::null()).status();
    if mode == "each" {
        drop_in_sockets(percent);
    }
    if percent == 0 {
        return;
    }
    let protocol = match mode {
        "dgram" => "meta l4proto udp",
        "all" => "",
        "each" => "meta l4proto tcp",
        other => panic!("unknown mode of loss {other}"),
    };
    let script = format!(
        "table inet {TABLE} {{\n chain c {{\n type filter hook input priority 0; policy accept;\n \
         tcp dport {RPC_PORTS} accept\n tcp sport {RPC_PORTS} accept\n \
         {protocol} numgen random mod 100 < {percent} drop\n }}\n}}\n"
    );
    let status = Command::new("nft").arg(&script).status().expect("nft");
    assert!(status.success(), "nft refuses the rule");
}

/// Instruction of a classic packet filter.
#[repr(C)]
struct Instruction(u16, u8, u8, u32);

/// A program of such instructions: `sock_fprog`.
#[repr(C)]
struct Program(u16, *const Instruction);

/// Attaches a filter to each UDP socket of this process: it drops at random.
fn drop_in_sockets(percent: u64) {
    let limit = (u64::from(u32::MAX) * percent / 100) as u32;
    // A = random number (an extension at offset -0x1000 + 56); below the limit: length 0, else all.
    let code = [
        Instruction(0x20, 0, 0, (-0x1000i32 + 56) as u32),
        Instruction(0x35, 1, 0, limit),
        Instruction(0x06, 0, 0, 0),
        Instruction(0x06, 0, 0, u32::MAX),
    ];
    let program = Program(code.len() as u16, code.as_ptr());
    for file in std::fs::read_dir("/proc/self/fd").expect("own files").flatten() {
        let Ok(fd) = file.file_name().to_string_lossy().parse::<i32>() else { continue };
        if socket_type(fd) != Some(libc::SOCK_DGRAM) {
            continue;
        }
        let (option, value, length) = if percent == 0 {
            (libc::SO_DETACH_FILTER, (&raw const fd).cast(), size_of_val(&fd))
        } else {
            (libc::SO_ATTACH_FILTER, (&raw const program).cast(), size_of_val(&program))
        };
        // SAFETY: `value` points to `length` bytes of a live variable, as the option expects.
        let result = unsafe { libc::setsockopt(fd, libc::SOL_SOCKET, option, value, length as u32) };
        assert!(result == 0 || percent == 0, "SO_ATTACH_FILTER");
    }
}

/// The type of a socket; `None` if the file is no socket.
fn socket_type(fd: i32) -> Option<i32> {
    let (mut kind, mut length) = (0i32, size_of::<i32>() as u32);
    // SAFETY: both pointers are valid, and `length` is the size of `kind`.
    let result = unsafe {
        libc::getsockopt(fd, libc::SOL_SOCKET, libc::SO_TYPE, (&raw mut kind).cast(), &raw mut length)
    };
    (result == 0).then_some(kind)
}
