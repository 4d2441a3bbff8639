//! Warnings about files and directories that other users can change. The daemon refuses an exposed
//! data directory when it opens it, and an exposed key file when it reads it; the cases here are
//! less severe.

use std::path::Path;
use std::time::Duration;

use gm_node::{file, permissions};

use super::config::ResolvedConfig;

/// Time limit of the file system.
const FILE_TIMEOUT: Duration = Duration::from_secs(10);

/// Returns the warnings. Other users who can write to the configuration file control the daemon,
/// which may be intended. If they can write to a directory above those of the daemon, they can
/// replace the data directory and so remove the node's data; but they can neither read nor forge
/// it, as the daemon and the command line check the owner of what they open.
pub(super) fn permission_warnings(settings: &ResolvedConfig, config: Option<&Path>) -> Vec<String> {
    let (data, api, config) = (settings.data_dir.clone(), settings.api.clone(), config.map(Path::to_owned));
    let warnings = file::run_within(FILE_TIMEOUT, move || {
        let socket_dir = api.as_deref().and_then(Path::parent).map(Path::to_owned);
        let mut exposures = data.as_deref().map(permissions::exposed_parents).unwrap_or_default();
        if let Some(dir) = socket_dir.filter(|dir| Some(dir) != data.as_ref()) {
            exposures.extend(permissions::exposed_parents(&dir.join("socket")));
        }
        if let Some(config) = config
            && let Ok(meta) = config.metadata()
        {
            exposures.extend(permissions::check_permissions(&config, &meta).err());
        }
        let mut texts: Vec<String> = exposures.iter().map(ToString::to_string).collect();
        texts.sort();
        texts.dedup();
        texts
    });
    // After a timeout, opening the directory reports the problem.
    warnings.unwrap_or_default()
}
