//! State of multicast on this machine, and the warning about it. A missing peer is not evidence of
//! a problem, as the first node of a network receives no multicast either.

use gm_broadcast::runtime::{MulticastSelfTest, MulticastVerdict};

/// State of multicast.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum MulticastState {
    /// Off by configuration.
    Off,
    /// The operating system refused it; the node runs without it.
    Refused(String),
    /// The self-test is running.
    Testing,
    /// The self-test failed to run.
    NotTested(String),
    /// Result of the self-test.
    Tested(MulticastVerdict),
}

impl MulticastState {
    /// Text for `status`. `near` is the number of peers whose multicast is received, `alive` that
    /// of peers that are connected or were heard from within a minute.
    pub(crate) fn text(&self, near: usize, alive: usize) -> String {
        match self {
            MulticastState::Off => "off".to_owned(),
            MulticastState::Refused(why) => format!("off: {why}"),
            _ if near > 0 => "works".to_owned(),
            MulticastState::Testing => "being tested".to_owned(),
            MulticastState::NotTested(why) => format!("not tested: {why}"),
            MulticastState::Tested(MulticastVerdict::NoOtherNodeHeard) if alive == 0 => {
                "works on this machine; no other node was heard from".to_owned()
            }
            MulticastState::Tested(MulticastVerdict::NoOtherNodeHeard) => format!(
                "works on this machine, but the multicast of none of {alive} live peers arrives: they are on other networks, or run with `multicast` off, or a switch or bridge in between drops multicast (IGMP snooping without a querier)"
            ),
            MulticastState::Tested(verdict) => verdict.advice().to_owned(),
        }
    }

    /// The warning for `status`.
    pub(crate) fn warning(&self, near: usize) -> Option<String> {
        let works = near > 0
            || matches!(
                self,
                MulticastState::Tested(MulticastVerdict::Works | MulticastVerdict::NoOtherNodeHeard)
            );
        match self {
            MulticastState::Off | MulticastState::Testing => None,
            MulticastState::Refused(_) => Some(format!("multicast is {}", self.text(near, 0))),
            _ if works => None,
            _ => {
                Some(format!("multicast does not work: {}. Connections are used instead", self.text(near, 0)))
            }
        }
    }
}

/// Logs the result of the self-test, as a warning if there is a problem on this machine.
pub(crate) fn log_test_result(found: &MulticastSelfTest) -> MulticastState {
    match found.verdict {
        MulticastVerdict::Works | MulticastVerdict::NoOtherNodeHeard => tracing::info!("{found}"),
        _ => tracing::warn!("{found}; or set `multicast` to off and name a `seed`"),
    }
    MulticastState::Tested(found.verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_evidence_is_worth_a_warning() {
        let first = MulticastState::Tested(MulticastVerdict::NoOtherNodeHeard);
        assert_eq!((first.warning(0), first.text(0, 0).contains("NoOtherNodeHeard")), (None, false));
        assert!(first.text(0, 2).contains("IGMP snooping"));
        assert_eq!(MulticastState::Off.warning(0), None);
        assert_eq!(MulticastState::Testing.warning(0), None);
        for verdict in [
            MulticastVerdict::NoFlag,
            MulticastVerdict::NoRoute,
            MulticastVerdict::Forbidden,
            MulticastVerdict::NotLooped,
        ] {
            let found = MulticastState::Tested(verdict);
            assert!(found.warning(0).is_some(), "{verdict:?}");
            assert_eq!((found.warning(1), found.text(1, 1).as_str()), (None, "works"), "{verdict:?}");
        }
        assert!(MulticastState::Refused("no".to_owned()).warning(1).is_some());
    }
}
