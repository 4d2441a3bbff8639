//! Finds the control socket of the daemon that a command addresses.

use std::path::PathBuf;

use super::error::CommandError;
use crate::Global;

/// Name of the control socket in a data directory.
const SOCKET_NAME: &str = "gm.sock";

/// Path of the control socket.
pub(crate) fn find_socket(global: &Global) -> Result<PathBuf, CommandError> {
    let wrong = |api| {
        let forms = "see --api, GROUP_MANAGER_API";
        CommandError::Usage(format!("the control socket `{api}` is not of the form unix:PATH: {forms}"))
    };
    match (&global.api, &global.data_dir) {
        (Some(api), _) => match api.strip_prefix("unix:") {
            Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
            _ => Err(wrong(api)),
        },
        (None, Some(dir)) => Ok(dir.join(SOCKET_NAME)),
        (None, None) => Err(CommandError::Usage(
            "no daemon is named: give its --data-dir DIR or its --api unix:PATH, or set GROUP_MANAGER_API"
                .to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(api: Option<&str>, dir: Option<&str>) -> Option<PathBuf> {
        let api = api.map(ToOwned::to_owned);
        find_socket(&Global { api, data_dir: dir.map(PathBuf::from), json: false }).ok()
    }

    #[test]
    fn the_socket_is_named_or_in_the_data_directory() {
        assert_eq!(found(Some("unix:/a"), None), Some("/a".into()));
        assert_eq!(found(Some("unix:a/gm.sock"), Some("/d")), Some("a/gm.sock".into()));
        assert_eq!(found(None, Some("/d")), Some("/d/gm.sock".into()));
        assert_eq!(
            (found(None, None), found(Some("/run/gm.sock"), Some("/d")), found(Some("unix:"), None)),
            (None, None, None)
        );
    }
}
