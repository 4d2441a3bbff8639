//! The choice of addresses, and errors that name the setting to change.

use super::*;
use crate::runtime::group::{DEFAULT_GROUP_V4, Multicast};

fn nic(name: &str, index: u32, ip: &str) -> Nic {
    Nic { name: name.to_owned(), index, ip: ip.parse().unwrap() }
}

/// A machine with two interfaces, and a default route by the first.
fn system() -> SystemAddresses {
    let nics = vec![
        nic("lo", 1, "127.0.0.1"),
        nic("lo", 1, "::1"),
        nic("eth0", 2, "10.0.0.5"),
        nic("eth0", 2, "fe80::5"),
        nic("eth1", 3, "192.168.7.5"),
    ];
    SystemAddresses { nics, routed: Some("10.0.0.5".parse().unwrap()) }
}

fn settings(change: impl FnOnce(&mut RuntimeSettings)) -> RuntimeSettings {
    let mut settings = RuntimeSettings::default();
    change(&mut settings);
    settings
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn unset_is_the_one_address_of_the_default_route() {
    let settled = choose_addresses(&RuntimeSettings::default(), &system()).unwrap();
    assert_eq!((settled.address, settled.bind), (ip("10.0.0.5"), ip("10.0.0.5")));
    assert_eq!(settled.group, Some((DEFAULT_GROUP_V4, nic("eth0", 2, "10.0.0.5"))));
}

#[test]
fn without_a_default_route_the_candidates_are_listed() {
    let system = SystemAddresses { routed: None, ..system() };
    let error = choose_addresses(&RuntimeSettings::default(), &system).unwrap_err().to_string();
    assert!(error.contains("set `address`"), "{error}");
    assert!(error.contains("10.0.0.5 (eth0), 192.168.7.5 (eth1)"), "{error}");
    assert!(!error.contains("127.0.0.1") && !error.contains("fe80"), "{error}");
}

#[test]
fn without_a_default_route_the_only_address_is_obvious() {
    let with = |more: &[Nic]| {
        let loopback = [nic("lo", 1, "127.0.0.1"), nic("lo", 1, "::1"), nic("eth0", 2, "fe80::5")];
        let system = SystemAddresses { nics: [&loopback, more].concat(), routed: None };
        choose_addresses(&RuntimeSettings::default(), &system).map(|settled| settled.address)
    };
    let (v4, v6) = (nic("eth0", 2, "10.0.0.5"), nic("eth0", 2, "2001:db8::5"));
    assert_eq!(with(std::slice::from_ref(&v4)), Ok(ip("10.0.0.5")));
    assert_eq!(with(std::slice::from_ref(&v6)), Ok(ip("2001:db8::5")));
    assert_eq!(with(&[v6.clone(), v4.clone()]), Ok(ip("10.0.0.5")), "as with a default route");
    let unclear = |more: &[Nic]| matches!(with(more), Err(AddressError::Unclear { .. }));
    assert!(unclear(&[]) && unclear(&[v4.clone(), nic("eth0", 2, "10.0.0.6")]));
    assert!(
        unclear(&[v4, nic("eth1", 3, "2001:db8::6")])
            && unclear(&[v6.clone(), nic("eth0", 2, "2001:db8::6")])
    );
}

#[test]
fn two_addresses_on_the_default_interface_are_ambiguous() {
    let mut system = system();
    system.nics.push(nic("eth0", 2, "10.0.0.6"));
    assert!(matches!(
        choose_addresses(&RuntimeSettings::default(), &system),
        Err(AddressError::Unclear { .. })
    ));
}

#[test]
fn a_foreign_address_needs_bind() {
    let nat = settings(|settings| settings.address = Some(ip("203.0.113.9")));
    let error = choose_addresses(&nat, &system()).unwrap_err();
    assert!(error.to_string().contains("set `bind`"), "{error}");
    let nat = RuntimeSettings { bind: Some(ip("192.168.7.5")), ..nat };
    let settled = choose_addresses(&nat, &system()).unwrap();
    assert_eq!((settled.address, settled.bind), (ip("203.0.113.9"), ip("192.168.7.5")));
    assert_eq!(settled.group.unwrap().1.name, "eth1");
    let anywhere = RuntimeSettings { bind: Some(ip("0.0.0.0")), ..nat };
    let error = choose_addresses(&anywhere, &system()).unwrap_err();
    assert!(error.to_string().contains("set `interface`"), "{error}");
    let named = RuntimeSettings { interface: Some("eth0".to_owned()), ..anywhere };
    assert_eq!(choose_addresses(&named, &system()).unwrap().group.unwrap().1.index, 2);
}

#[test]
fn errors_name_the_conflicting_setting() {
    let refused = |change: fn(&mut RuntimeSettings)| {
        choose_addresses(&settings(change), &system()).unwrap_err().to_string()
    };
    assert!(refused(|settings| settings.bind = Some(ip("10.9.9.9"))).contains("`bind` 10.9.9.9"));
    assert!(refused(|settings| settings.bind = Some(ip("::"))).contains("another family"));
    assert!(refused(|settings| settings.interface = Some("eth9".into())).contains("`interface` eth9"));
    assert!(refused(|settings| settings.address = Some(ip("0.0.0.0"))).contains("`address`"));
    assert!(refused(|settings| settings.address = Some(ip("224.1.1.1"))).contains("`address`"));
    let group =
        |settings: &mut RuntimeSettings| settings.multicast = Multicast::Group("10.0.0.1:5".parse().unwrap());
    assert!(refused(group).contains("`multicast`"));
}

#[test]
fn a_loopback_node_rejects_remote_seeds() {
    let local = settings(|settings| {
        settings.address = Some(ip("127.0.0.1"));
        settings.seeds = vec!["10.0.0.9:29999".parse().unwrap()];
    });
    let error = choose_addresses(&local, &system()).unwrap_err().to_string();
    assert!(error.contains("`address`") && error.contains("`seed`"), "{error}");
    let local = RuntimeSettings { seeds: vec!["127.0.0.1:5".parse().unwrap()], ..local };
    assert_eq!(choose_addresses(&local, &system()).unwrap().address, ip("127.0.0.1"));
    let another = RuntimeSettings { address: Some(ip("127.0.0.9")), ..local };
    assert_eq!(choose_addresses(&another, &system()).unwrap().group.unwrap().1.name, "lo");
}
