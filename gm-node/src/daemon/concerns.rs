//! Problems of the daemon that an operator has to know, besides those of the node. Each is a warning in `status` until it is over.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use super::address;
use super::config::KeyIds;
use super::descriptors::Descriptors;

/// The problems, as other parts of the daemon report them.
#[derive(Debug)]
pub(crate) struct Concerns {
    /// Why the last reload failed.
    reload: Mutex<Option<String>>,
    /// The ids of the keys in use.
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
    /// No problem yet; with the ids of the keys, if frames are sealed.
    pub(crate) fn new(keys: Option<KeyIds>) -> Concerns {
        Concerns {
            reload: Mutex::default(),
            keys: Mutex::new(keys),
            gone: Mutex::default(),
            descriptors: Arc::default(),
        }
    }

    /// Records the outcome of a reload: the ids of the keys in use since, or why it failed.
    pub(crate) fn reloaded(&self, outcome: Result<Option<KeyIds>, String>) {
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
    pub(super) fn gone(&self) -> BTreeSet<IpAddr> {
        get(&self.gone)
    }

    pub(super) fn set_gone(&self, gone: BTreeSet<IpAddr>) {
        set(&self.gone, gone);
    }

    /// One warning for each problem.
    pub(crate) fn warnings(&self) -> Vec<String> {
        let reload = get(&self.reload).map(|why| {
            format!("the last reload (SIGHUP) failed, and everything goes on as it was before: {why}")
        });
        let gone = self.gone();
        let gone = gone.into_iter().map(address::sentence);
        reload.into_iter().chain(gone).chain(self.descriptors.warning()).collect()
    }
}
