//! Checks that no other user can change a file or a directory that the node trusts.
//!
//! A trusted file belongs to the user of the process or to root, and neither its group nor other
//! users can write to it. A directory above it may be writable for its group; it may be writable
//! for all users only with a sticky bit, with which they cannot replace files of others.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Way in which another user could change a file or a directory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Exposure {
    /// It belongs to another user.
    #[error(
        "{} belongs to the user {owner}, and this process runs as the user {me}: chown {me} {}, or run as the user {owner}",
        path.display(),
        path.display()
    )]
    Owner {
        /// The file or directory.
        path: PathBuf,
        /// User id of the owner.
        owner: u32,
        /// User id of this process.
        me: u32,
    },
    /// Its mode lets other users write to it.
    #[error(
        "other users may write to {} (its mode is {mode:04o}), and so replace its content: chmod go-w {}, and check its content",
        path.display(),
        path.display()
    )]
    Mode {
        /// The file or directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// Owner and mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Permissions {
    owner: u32,
    mode: u32,
}

const ROOT: u32 = 0;
const GROUP_OR_WORLD_WRITABLE: u32 = 0o022;
const WORLD_WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Checks that only the user of this process and root can change a file or a directory.
///
/// # Errors
/// The [`Exposure`], with a remedy.
pub fn check_permissions(path: &Path, meta: &Metadata) -> Result<(), Exposure> {
    check(path, permissions(meta), me(), false)
}

/// Directories above a path, up to the root, in which other users could replace it. Symbolic links
/// are followed; for a path that does not exist, the check starts at the first existing directory.
#[must_use]
pub fn exposed_parents(path: &Path) -> Vec<Exposure> {
    let Ok(path) = std::path::absolute(path) else { return Vec::new() };
    let above = match path.canonicalize() {
        Ok(whole) => whole.parent().map(Path::to_owned),
        Err(_) => path.ancestors().skip(1).find_map(|dir| dir.canonicalize().ok()),
    };
    let exposure = |dir: &Path| check(dir, permissions(&dir.metadata().ok()?), me(), true).err();
    above.iter().flat_map(|above| above.ancestors()).filter_map(exposure).collect()
}

/// Effective user id of this process.
#[must_use]
pub fn me() -> u32 {
    #[cfg(unix)]
    let me = rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    let me = ROOT;
    me
}

/// Whether a process of a user is trusted: it is the own user, or root.
#[must_use]
pub const fn is_trusted(user: u32, me: u32) -> bool {
    user == me || user == ROOT
}

fn check(path: &Path, permissions: Permissions, me: u32, is_above: bool) -> Result<(), Exposure> {
    let Permissions { owner, mode } = permissions;
    if !is_trusted(owner, me) {
        return Err(Exposure::Owner { path: path.to_owned(), owner, me });
    }
    let is_open = if is_above {
        mode & (WORLD_WRITABLE | STICKY) == WORLD_WRITABLE
    } else {
        mode & GROUP_OR_WORLD_WRITABLE != 0
    };
    if is_open {
        return Err(Exposure::Mode { path: path.to_owned(), mode });
    }
    Ok(())
}

fn permissions(meta: &Metadata) -> Permissions {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        Permissions { owner: meta.uid(), mode: meta.mode() & 0o7777 }
    }
    #[cfg(not(unix))]
    {
        let _ = meta;
        Permissions { owner: ROOT, mode: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_guarded(owner: u32, mode: u32, me: u32, is_above: bool) -> bool {
        check(Path::new("/d"), Permissions { owner, mode }, me, is_above).is_ok()
    }

    #[test]
    fn only_the_own_user_and_root_may_write() {
        for me in [0, 7] {
            for owner in [me, 0] {
                for mode in [0o700, 0o755, 0o400, 0o2755, 0o1700] {
                    assert!(is_guarded(owner, mode, me, false), "{owner} {mode:o} {me}");
                }
                for mode in [0o720, 0o702, 0o777, 0o770, 0o1777, 0o2775] {
                    assert!(!is_guarded(owner, mode, me, false), "{owner} {mode:o} {me}");
                }
            }
            assert!(!is_guarded(8, 0o700, me, false) && !is_guarded(8, 0o1777, me, true));
        }
        // In a parent directory, a sticky bit prevents others from replacing the file.
        assert!(
            is_guarded(0, 0o1777, 7, true) && !is_guarded(0, 0o777, 7, true) && is_guarded(0, 0o775, 7, true)
        );
        assert!(is_trusted(0, 7) && is_trusted(7, 7) && !is_trusted(7, 0) && !is_trusted(8, 7));
    }

    #[test]
    fn messages_name_the_user_and_the_remedy() {
        let words = |owner, mode| {
            check(Path::new("/d"), Permissions { owner, mode }, 7, false).unwrap_err().to_string()
        };
        assert_eq!(
            words(8, 0o700),
            "/d belongs to the user 8, and this process runs as the user 7: chown 7 /d, or run as the user 8"
        );
        assert!(words(7, 0o777).contains("(its mode is 0777)") && words(7, 0o777).contains("chmod go-w /d"));
    }

    #[cfg(unix)]
    #[test]
    fn parents_are_checked_up_to_the_root() {
        use std::os::unix::fs::PermissionsExt;
        let top = std::env::temp_dir().join(format!("gm-guard-{}", std::process::id()));
        let dir = top.join("open/closed");
        std::fs::create_dir_all(&dir).unwrap();
        let open = |mode| {
            let permissions = std::fs::Permissions::from_mode(mode);
            std::fs::set_permissions(top.join("open"), permissions).unwrap();
            exposed_parents(&dir)
                .iter()
                .any(|it| matches!(it, Exposure::Mode { path, .. } if path.ends_with("open")))
        };
        assert!(open(0o777) && !open(0o770) && !open(0o1777) && !open(0o755));
        std::fs::remove_dir_all(&top).unwrap();
    }
}
