//! What an operator should look at besides what the node itself tells: each stands in `status` until it is over. Knows nothing of how it is found out.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::address;
use super::config::KeyIds;
use super::descriptors::Descriptors;

/// What the daemon found out about itself since its start.
#[derive(Debug)]
pub(crate) struct Concerns {
    /// Why the last reload failed.
    reload: Mutex<Option<String>>,
    /// By which keys frames are sealed and opened.
    keys: Mutex<Option<KeyIds>>,
    /// Addresses that vanished from their interface.
    gone: Mutex<BTreeSet<IpAddr>>,
    /// When no file descriptor was left.
    pub(super) descriptors: Arc<Descriptors>,
}

fn set<T>(mutex: &Mutex<T>, value: T) {
    *mutex.lock().unwrap_or_else(PoisonError::into_inner) = value;
}

fn get<T: Clone>(mutex: &Mutex<T>) -> T {
    mutex.lock().unwrap_or_else(PoisonError::into_inner).clone()
}

impl Concerns {
    /// Of a daemon that seals by those keys, or does not seal.
    pub(crate) fn new(keys: Option<KeyIds>) -> Concerns {
        Concerns {
            reload: Mutex::default(),
            keys: Mutex::new(keys),
            gone: Mutex::default(),
            descriptors: Arc::default(),
        }
    }

    /// What came of the last reload, and by which keys frames are sealed since.
    pub(crate) fn reloaded(&self, outcome: Result<Option<KeyIds>, String>) {
        match outcome {
            Ok(keys) => {
                set(&self.keys, keys);
                set(&self.reload, None);
            }
            Err(why) => set(&self.reload, Some(why)),
        }
    }

    /// By which keys frames are sealed and opened.
    pub(crate) fn keys(&self) -> Option<KeyIds> {
        get(&self.keys)
    }

    /// Addresses that vanished from their interface.
    pub(super) fn gone(&self) -> BTreeSet<IpAddr> {
        get(&self.gone)
    }

    pub(super) fn set_gone(&self, gone: BTreeSet<IpAddr>) {
        set(&self.gone, gone);
    }

    /// A line for each concern.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let reload = get(&self.reload).map(|why| {
            format!("the last reload (SIGHUP) failed, and everything goes on as it was before: {why}")
        });
        let gone = self.gone();
        let gone = gone.into_iter().map(address::sentence);
        reload.into_iter().chain(gone).chain(self.descriptors.warning()).collect()
    }
}
