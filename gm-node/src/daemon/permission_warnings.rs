//! Who else may change what the daemon trusts: warnings where that does harm only together with
//! something else. The data directory itself is refused when it is opened, and the key file when it
//! is read.

use std::path::Path;
use std::time::Duration;

use gm_node::{file, permissions};

use super::config::ResolvedConfig;

/// How long a file system may take to say it.
const FILE_TIMEOUT: Duration = Duration::from_secs(10);

/// What an operator should know. Whoever may change the configuration file tells the daemon what to
/// do, which may be meant. A directory above those of the daemon that others may write to is no
/// reason not to start: whoever puts another in its place takes the node's data away, but reads and
/// forges nothing, as both the daemon and the command line look at the owner of what they find.
pub(super) fn permission_warnings(effective: &ResolvedConfig, config: Option<&Path>) -> Vec<String> {
    let (data, api, config) = (effective.data_dir.clone(), effective.api.clone(), config.map(Path::to_owned));
    let looked = file::run_within(FILE_TIMEOUT, move || {
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
        let mut words: Vec<String> = exposures.iter().map(ToString::to_string).collect();
        words.sort();
        words.dedup();
        words
    });
    // If nothing comes in time, opening the directory says so.
    looked.unwrap_or_default()
}
