//! Checks that the node's addresses are still on an interface of this machine. An operator or a
//! DHCP client may remove one while the node runs, and no socket reports it.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use gm_broadcast::runtime::has_address;

use super::descriptors::is_exhausted;
use super::problems::Problems;
use super::routes::App;

/// Interval of the check.
const CHECK_INTERVAL: Duration = Duration::from_secs(5);

/// The addresses to check: the advertised one and the one the node listens at, as far as this
/// machine has them. Behind a NAT it does not have the first.
pub(super) fn required_addresses(address: IpAddr, bind: Option<IpAddr>) -> BTreeSet<IpAddr> {
    let both = [Some(address), bind].into_iter().flatten();
    both.filter(|ip| !ip.is_unspecified() && has_address(*ip).unwrap_or(false)).collect()
}

/// Repeats the check until the daemon ends.
pub(super) async fn watch(needed: BTreeSet<IpAddr>, app: Arc<App>) {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        check(&needed, &app.problems, has_address);
    }
}

/// Checks once, and logs which addresses vanished or returned since the last check.
fn check(needed: &BTreeSet<IpAddr>, problems: &Problems, has: impl Fn(IpAddr) -> io::Result<bool>) {
    let before = problems.missing_addresses();
    let mut gone = before.clone();
    for ip in needed {
        match has(*ip) {
            Ok(true) => drop(gone.remove(ip)),
            Ok(false) => drop(gone.insert(*ip)),
            // The interfaces could not be listed: nothing changes.
            Err(error) if is_exhausted(&error) => problems.descriptors.record_exhaustion(),
            Err(error) => tracing::debug!("cannot list the interfaces of this machine: {error}"),
        }
    }
    for ip in gone.difference(&before) {
        tracing::error!("{}", missing_address_text(*ip));
    }
    for ip in before.difference(&gone) {
        tracing::info!("the address {ip} is on an interface of this machine again");
    }
    problems.set_missing_addresses(gone);
}

/// The warning for an address that vanished.
pub(super) fn missing_address_text(ip: IpAddr) -> String {
    format!(
        "the address {ip} is no longer on any interface of this machine, so other nodes cannot reach this one. Assign it again, or start the node with another `address`"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_gone_is_a_warning_until_it_is_back() {
        let problems = Problems::new(None);
        let ip: IpAddr = "10.0.0.1".parse().unwrap();
        let needed = BTreeSet::from([ip]);
        check(&needed, &problems, |_| Ok(true));
        assert!(problems.warnings().is_empty());
        check(&needed, &problems, |_| Ok(false));
        check(&needed, &problems, |_| Err(io::ErrorKind::Other.into()));
        let warnings = problems.warnings();
        assert!(warnings.len() == 1 && warnings[0].contains("10.0.0.1 is no longer"), "{warnings:?}");
        check(&needed, &problems, |_| Ok(true));
        assert!(problems.warnings().is_empty());
    }

    #[test]
    fn only_addresses_of_this_machine_are_checked() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        assert_eq!(
            required_addresses(ip("203.0.113.9"), Some(ip("127.0.0.1"))),
            BTreeSet::from([ip("127.0.0.1")])
        );
        assert_eq!(
            required_addresses(ip("127.0.0.1"), Some(ip("0.0.0.0"))),
            BTreeSet::from([ip("127.0.0.1")])
        );
    }
}
