//! Notifies the service manager of the daemon's state: systemd's `sd_notify` protocol, a datagram
//! to the socket named in `NOTIFY_SOCKET`.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixDatagram;
use std::time::Duration;

/// Time limit of sending.
const SEND_TIMEOUT: Duration = Duration::from_secs(1);

/// Sends a state to the service manager, if there is one.
pub(crate) fn notify(state: &str) {
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&name, state) {
        tracing::warn!("cannot notify the service manager of {state:?} by NOTIFY_SOCKET: {error}");
    }
}

fn send(name: &OsStr, state: &str) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(SEND_TIMEOUT))?;
    match name.as_bytes().strip_prefix(b"@") {
        None => socket.send_to(state.as_bytes(), name).map(drop),
        #[cfg(target_os = "linux")]
        Some(abstract_name) => {
            use std::os::linux::net::SocketAddrExt;
            let address = std::os::unix::net::SocketAddr::from_abstract_name(abstract_name)?;
            socket.send_to_addr(state.as_bytes(), &address).map(drop)
        }
        #[cfg(not(target_os = "linux"))]
        Some(_) => Err(std::io::ErrorKind::Unsupported.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_notified_by_path_and_by_name() {
        let path = std::env::temp_dir().join(format!("gm-notify-{}", std::process::id()));
        let _ = std::fs::remove_file(&path);
        let manager = UnixDatagram::bind(&path).unwrap();
        send(path.as_os_str(), "READY=1\n").unwrap();
        let mut bytes = [0; 64];
        let length = manager.recv(&mut bytes).unwrap();
        assert_eq!(&bytes[..length], b"READY=1\n");
        std::fs::remove_file(&path).unwrap();
        assert!(send(path.as_os_str(), "READY=1\n").is_err());
        assert!(send(OsStr::new("@gm-nobody-listens"), "READY=1\n").is_err());
    }
}
