//! Who else may change a file or a directory: the rule for what a node trusts. Knows nothing of
//! what is in them.
//!
//! One rule for all of it: it belongs to the user of the process or to root, and nobody else may
//! write to it, not its group either. For the directories above it is enough that not everybody may
//! write to them, or that they have a sticky bit, with which others may make files there and not
//! replace what is there.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// How somebody else may change a file or a directory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Exposure {
    /// It belongs to another user, who may do with it whatever they like.
    #[error(
        "{} belongs to the user {owner}, and this process runs as the user {me}: chown {me} {}, or run as the user {owner}",
        path.display(),
        path.display()
    )]
    Owner {
        /// What belongs to another user.
        path: PathBuf,
        /// The number of that user.
        owner: u32,
        /// The number of the user of this process.
        me: u32,
    },
    /// Its mode lets others write to it.
    #[error(
        "others may write to {} (its mode is {mode:04o}), and so replace what is in it: chmod go-w {}, and look at what is there",
        path.display(),
        path.display()
    )]
    Mode {
        /// What others may write to.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

/// What the rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Permissions {
    owner: u32,
    mode: u32,
}

const ROOT: u32 = 0;
const GROUP_OR_WORLD_WRITABLE: u32 = 0o022;
const WORLD_WRITABLE: u32 = 0o002;
const STICKY: u32 = 0o1000;

/// Whether nobody but the user of this process, and root, may change what has these properties.
///
/// # Errors
/// The [`Exposure`], with what to do.
pub fn check_permissions(path: &Path, meta: &Metadata) -> Result<(), Exposure> {
    check(path, permissions(meta), me(), false)
}

/// The directories above, up to the root, that anybody may write to or that belong to others: these
/// may put another in its place. Links are followed; what is not there yet is looked at from the
/// first directory that is.
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

/// The number of the user as whom this process runs.
#[must_use]
pub fn me() -> u32 {
    #[cfg(unix)]
    let me = rustix::process::geteuid().as_raw();
    #[cfg(not(unix))]
    let me = ROOT;
    me
}

/// Whether a process of that user may be talked to: it is one's own, or root's.
#[must_use]
pub const fn is_trusted(user: u32, me: u32) -> bool {
    user == me || user == ROOT
}

fn check(path: &Path, standing: Permissions, me: u32, is_above: bool) -> Result<(), Exposure> {
    let Permissions { owner, mode } = standing;
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
        // Above it, a sticky bit keeps others from replacing it.
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
