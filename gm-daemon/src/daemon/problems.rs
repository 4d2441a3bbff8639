//! Problems of the daemon itself, in addition to those of the node. Each is a warning in `status`
//! until it is resolved.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::address_check;
use super::config::KeyIds;
use super::descriptors::Descriptors;

/// The present problems, as other parts of the daemon report them.
#[derive(Debug)]
pub(crate) struct Problems {
    /// Error of the last reload, if it failed.
    reload: Mutex<Option<String>>,
    /// The ids of the keys in use.
    keys: Mutex<Option<KeyIds>>,
    /// Addresses that vanished from their interface.
    missing_addresses: Mutex<BTreeSet<IpAddr>>,
    /// Exhaustion of file descriptors.
    pub(super) descriptors: Arc<Descriptors>,
}

fn set<T>(mutex: &Mutex<T>, value: T) {
    *mutex.lock().unwrap_or_else(PoisonError::into_inner) = value;
}

fn get<T: Clone>(mutex: &Mutex<T>) -> T {
    mutex.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Problems {
    /// No problem yet; with the ids of the keys, if frames are sealed.
    pub(crate) fn new(keys: Option<KeyIds>) -> Problems {
        Problems {
            reload: Mutex::default(),
            keys: Mutex::new(keys),
            missing_addresses: Mutex::default(),
            descriptors: Arc::default(),
        }
    }

    /// Records the outcome of a reload: the ids of the keys in use since, or why it failed.
    pub(crate) fn record_reload(&self, outcome: Result<Option<KeyIds>, String>) {
        match outcome {
            Ok(keys) => {
                set(&self.keys, keys);
                set(&self.reload, None);
            }
            Err(why) => set(&self.reload, Some(why)),
        }
    }

    /// The ids of the keys in use.
    pub(crate) fn keys(&self) -> Option<KeyIds> {
        get(&self.keys)
    }

    /// Addresses that vanished from their interface.
    pub(super) fn missing_addresses(&self) -> BTreeSet<IpAddr> {
        get(&self.missing_addresses)
    }

    pub(super) fn set_missing_addresses(&self, gone: BTreeSet<IpAddr>) {
        set(&self.missing_addresses, gone);
    }

    /// Returns a warning for each problem.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let reload = get(&self.reload).map(|why| {
            format!("the last reload (SIGHUP) failed, so the previous settings remain in effect: {why}")
        });
        let gone = self.missing_addresses();
        let gone = gone.into_iter().map(address_check::missing_address_text);
        reload.into_iter().chain(gone).chain(self.descriptors.warning()).collect()
    }
}
