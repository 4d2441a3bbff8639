//! Options of the daemon: the typed values of the settings that have a default and depend on no
//! other setting.

use gm_broadcast::runtime::RuntimeSettings;

use super::limits::DaemonLimits;
use super::spec::{JoinSpec, ServeSpec};
use crate::daemon::log::{LogFormat, LogLevel};

/// Options of the daemon, see `config/settings.rs` for their meaning.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// Settings of the sockets. The address and the multicast group depend on several settings.
    pub(crate) sockets: RuntimeSettings,
    /// Single-node mode.
    pub(crate) single: bool,
    pub(crate) joins: Vec<JoinSpec>,
    pub(crate) serves: Vec<ServeSpec>,
    /// Whether to keep ranges that an earlier start configured and that are no longer configured.
    pub(crate) keep_configured: bool,
    pub(crate) leave_on_exit: bool,
    pub(crate) log_level: LogLevel,
    pub(crate) log_format: LogFormat,
    /// Limits of the node and of the control socket.
    pub(crate) limits: DaemonLimits,
}
