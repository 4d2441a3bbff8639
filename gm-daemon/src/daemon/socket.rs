//! The control socket: its path, its permissions, and its removal.

use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use tokio::net::unix::UCred;
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// Name of the socket in a data directory.
pub(crate) const FILE_NAME: &str = "gm.sock";

/// Maximum length of a socket's path in bytes, on all supported systems.
const MAX_PATH_BYTES: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Maximum number of connections that wait to be accepted.
const BACKLOG: u32 = 128;

/// A listening socket. Dropping it removes its file, unless another process has replaced it.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    path: PathBuf,
    listener: Option<UnixListener>,
    /// Device and inode of the file.
    file_id: Option<(u64, u64)>,
}

/// Checks that a path is short enough for a socket.
pub(crate) fn check_path_length(path: &Path) -> Result<(), String> {
    let bytes = path.as_os_str().len();
    if bytes > MAX_PATH_BYTES {
        return Err(format!(
            "the control socket's path has {bytes} bytes, and the operating system allows at most {MAX_PATH_BYTES}: {}; set `api` to a shorter one (--api unix:PATH)",
            path.display()
        ));
    }
    Ok(())
}

/// Device and inode of the file at a path.
fn file_id_at(path: &Path) -> Option<(u64, u64)> {
    let meta = std::fs::symlink_metadata(path).ok()?;
    Some((meta.dev(), meta.ino()))
}

/// Process and user of the other side, in parentheses.
fn peer_text(peer: &UCred) -> String {
    let process = peer.pid().map(|pid| format!("process {pid} of ")).unwrap_or_default();
    format!(" ({process}user {})", peer.uid())
}

impl ControlSocket {
    /// Listens at a path. It replaces the socket of a process that has ended, but neither one at
    /// which a process answers nor a file of another kind.
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
                    "{shown} exists and is no socket: move it away, or set `api` to another path"
                ));
            }
            Ok(_) => match UnixStream::connect(path).await {
                Ok(stream) => {
                    let owner = stream.peer_cred().map(|peer| peer_text(&peer)).unwrap_or_default();
                    return Err(format!(
                        "another daemon answers at {shown}{owner}: stop that one, or set `api` to another path"
                    ));
                }
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
                    std::fs::remove_file(path).map_err(|error| failed("replace", error))?;
                }
                Err(error) => return Err(failed("replace", error)),
            },
        }
        // Connections are possible only after `listen`, when the permissions are set.
        let socket = UnixSocket::new_stream().map_err(|error| failed("create", error))?;
        socket.bind(path).map_err(|error| failed("create", error))?;
        let mut control = ControlSocket { path: path.to_owned(), listener: None, file_id: file_id_at(path) };
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(|error| failed("protect", error))?;
        control.listener = Some(socket.listen(BACKLOG).map_err(|error| failed("listen on", error))?);
        Ok(control)
    }

    /// Hands out the listener; the file remains until `self` is dropped.
    pub(crate) const fn take_listener(&mut self) -> Option<UnixListener> {
        self.listener.take()
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlSocket {
    fn drop(&mut self) {
        // The file may be removed already, or belong to another process.
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
        assert!(!path.exists(), "its own socket is removed");

        let ours = ControlSocket::open(&path).await.unwrap();
        std::fs::rename(&path, dir.join("moved")).unwrap();
        let _theirs = UnixListener::bind(&path).unwrap();
        drop(ours);
        assert!(path.exists(), "the socket of another process remains");

        let refused = ControlSocket::open(&path).await.unwrap_err();
        let me = format!("process {} of user ", std::process::id());
        assert!(refused.contains("another daemon answers at") && refused.contains(&me), "{refused}");
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
