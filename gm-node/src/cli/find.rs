//! Where the daemon is that a command is for. Opens nothing.

use std::path::PathBuf;

use super::failure::Failure;
use crate::Global;

/// The name of the control socket in a data directory.
const SOCKET: &str = "gm.sock";

/// The path of the control socket.
pub(crate) fn socket(global: &Global) -> Result<PathBuf, Failure> {
    let wrong = |api| {
        let forms = "see --api, GROUP_MANAGER_API";
        Failure::Usage(format!("the control socket `{api}` is not of the form unix:PATH: {forms}"))
    };
    match (&global.api, &global.data_dir) {
        (Some(api), _) => match api.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(wrong(api)),
        },
        (None, Some(dir)) => Ok(dir.join(SOCKET)),
        (None, None) => Err(Failure::Usage(
            "which daemon? Give --data-dir DIR, the directory that it runs with, or --api unix:PATH, or set GROUP_MANAGER_API"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(api: Option<&str>, dir: Option<&str>) -> Option<PathBuf> {
        let api = api.map(ToOwned::to_owned);
        socket(&Global { api, data_dir: dir.map(PathBuf::from), json: false }).ok()
    }

    #[test]
    fn a_socket_is_named_with_its_kind_or_lies_in_the_directory() {
        assert_eq!(of(Some("unix:/a"), None), Some("/a".into()));
        assert_eq!(of(Some("unix:a/gm.sock"), Some("/d")), Some("a/gm.sock".into()));
        assert_eq!(of(None, Some("/d")), Some("/d/gm.sock".into()));
        assert_eq!(
            (of(None, None), of(Some("/run/gm.sock"), Some("/d")), of(Some("unix:"), None)),
            (None, None, None)
        );
    }
}
