//! The control socket: where it is, and that nobody else may use it. Knows nothing of what is said
//! on it.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Its name in a data directory.
pub(crate) const FILE_NAME: &str = "gm.sock";

/// Bytes of the longest path that a socket may have, on all systems that matter here.
const MAX_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Connections that the system keeps until we take them.
const BACKLOG: u32 = 128;

/// A socket that is listened on. Dropping it takes its file away, if it is still this one.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    path: PathBuf,
    listener: Option<UnixListener>,
    /// Which file it is: its device, and its number there.
    file_id: Option<(u64, u64)>,
}

/// Whether a path is short enough for a socket.
pub(crate) fn check_path_length(path: &Path) -> Result<(), String> {
    let bytes = path.as_os_str().len();
    if bytes > MAX_PATH_BYTES {
        return Err(format!(
            "the control socket's path has {bytes} bytes, and the system takes {MAX_PATH_BYTES} at most: {}; set `api` to a shorter one (--api unix:PATH)",
            path.display()
        ));
    }
    Ok(())
}

/// Which file is there.
fn file_id_at(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Who is on the other side, as a supplement.
fn peer_text(peer: &UCred) -> String {
    let process = peer.pid().map(|pid| format!("process {pid} of ")).unwrap_or_default();
    format!(" ({process}user {})", peer.uid())
}

impl ControlSocket {
    /// Listens there. What an ended process left is replaced; where somebody answers, or where
    /// something else is, nothing is.
    pub(crate) async fn open(path: &Path) -> Result<ControlSocket, String> {
        check_path_length(path)?;
        let shown = path.display();
        let failed = |what: &str, error: io::Error| {
            format!("cannot {what} the control socket {shown} (`api`): {error}")
        };
        match std::fs::symlink_metadata(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(failed("look for", error)),
            Ok(meta) if !meta.file_type().is_socket() => {
                return Err(format!(
                    "{shown} is there and is no socket: move it away, or set `api` to another path"
                ));
            }
            Ok(_) => match UnixStream::connect(path).await {
                Ok(stream) => {
                    let who = stream.peer_cred().map(|peer| peer_text(&peer)).unwrap_or_default();
                    return Err(format!(
                        "another daemon answers at {shown}{who}: stop that one, or set `api` to another path"
                    ));
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(|error| failed("replace", error))?;
                }
                Err(error) => return Err(failed("replace", error)),
            },
        }
        // Nobody can connect before it listens, and by then only we may.
        let socket = UnixSocket::new_stream().map_err(|error| failed("make", error))?;
        socket.bind(path).map_err(|error| failed("make", error))?;
        let mut control = ControlSocket { path: path.to_owned(), listener: None, file_id: file_id_at(path) };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| failed("protect", error))?;
        control.listener = Some(socket.listen(BACKLOG).map_err(|error| failed("listen on", error))?);
        Ok(control)
    }

    /// Hands out the listener; the file stays until this is dropped.
    pub(crate) const fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // If it is gone already, somebody has done it for us; if another is there, it is not ours.
        if self.file_id.is_some() && file_id_at(&self.path) == self.file_id {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_own_socket_is_removed() {
        let dir = std::env::temp_dir().join(format!("gm-socket-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("gm.sock");
        drop(ControlSocket::open(&path).await.unwrap());
        assert!(!path.exists(), "it is ours");

        let ours = ControlSocket::open(&path).await.unwrap();
        std::fs::rename(&path, dir.join("moved")).unwrap();
        let _theirs = UnixListener::bind(&path).unwrap();
        drop(ours);
        assert!(path.exists(), "it is another's");

        let refused = ControlSocket::open(&path).await.unwrap_err();
        let me = format!("process {} of user ", std::process::id());
        assert!(refused.contains("another daemon answers at") && refused.contains(&me), "{refused}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
