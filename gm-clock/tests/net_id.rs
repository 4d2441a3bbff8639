//! `NetId`: refused addresses and their errors, parsing and display, and the order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use gm_clock::{NetId, NetIdError};
use proptest::prelude::*;

fn v4(text: &str) -> IpAddr {
    text.parse::<Ipv4Addr>().expect("an IPv4 address").into()
}

fn v6(text: &str) -> Ipv6Addr {
    text.parse().expect("an IPv6 address")
}

#[test]
fn addresses_not_of_a_single_node_are_refused() {
    let unspecified = |ip| NetIdError::Unspecified { ip };
    let multicast = |ip| NetIdError::Multicast { ip };
    let link_local = |ip| NetIdError::LinkLocal { ip };
    let mapped = |ip| NetIdError::Ipv4Mapped { ip };
    let table: [(&str, NetIdError); 15] = [
        ("10.0.0.1:0", NetIdError::PortZero { ip: v4("10.0.0.1") }),
        ("[2001:db8::1]:0", NetIdError::PortZero { ip: v6("2001:db8::1").into() }),
        ("0.0.0.0:29999", unspecified(v4("0.0.0.0"))),
        ("0.0.0.0:0", unspecified(v4("0.0.0.0"))),
        ("[::]:29999", unspecified(v6("::").into())),
        ("224.0.0.0:29999", multicast(v4("224.0.0.0"))),
        ("239.255.255.255:29999", multicast(v4("239.255.255.255"))),
        ("[ff00::]:29999", multicast(v6("ff00::").into())),
        ("[ff02::1]:29999", multicast(v6("ff02::1").into())),
        ("255.255.255.255:29999", NetIdError::Broadcast { ip: v4("255.255.255.255") }),
        ("[fe80::]:29999", link_local(v6("fe80::"))),
        (
            "[febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:29999",
            link_local(v6("febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff")),
        ),
        ("[::ffff:10.0.0.1]:29999", mapped(v6("::ffff:10.0.0.1"))),
        ("[::ffff:0:0]:29999", mapped(v6("::ffff:0:0"))),
        ("[0000:0000:0000:0000:0000:ffff:255.255.255.255]:65535", mapped(v6("::ffff:255.255.255.255"))),
    ];
    for (text, error) in table {
        let addr: SocketAddr = text.parse().expect(text);
        assert_eq!(NetId::new(addr.ip(), addr.port()), Err(error.clone()), "{text}");
        assert_eq!(NetId::try_from(addr), Err(error.clone()), "{text}");
        assert_eq!(text.parse::<NetId>(), Err(error), "{text}");
    }
}

#[test]
fn the_neighbours_of_refused_ranges_are_accepted() {
    let texts = [
        "0.0.0.1:1",
        "127.0.0.1:29999",
        "169.254.0.1:29999",
        "223.255.255.255:29999",
        "240.0.0.0:29999",
        "255.255.255.254:65535",
        "[::1]:29999",
        "[::fffe:ffff:ffff]:29999",
        "[::1:0:0:0]:29999",
        "[fe7f:ffff::]:29999",
        "[fec0::]:29999",
        "[feff:ffff::]:29999",
    ];
    for text in texts {
        let id: NetId = text.parse().expect(text);
        assert_eq!(id.to_string(), text);
        assert_eq!(format!("{id:?}"), text);
    }
}

#[test]
fn scope_ids_and_flow_information_are_refused() {
    let addr = SocketAddrV6::new(v6("2001:db8::1"), 29999, 0, 7);
    assert_eq!(NetId::try_from(SocketAddr::V6(addr)), Err(NetIdError::ScopeId { addr }));
    let addr = SocketAddrV6::new(v6("2001:db8::1"), 29999, 9, 0);
    assert_eq!(NetId::try_from(SocketAddr::V6(addr)), Err(NetIdError::FlowInfo { addr }));
}

#[test]
fn texts_that_are_no_address_and_port_are_malformed() {
    let long_digits = format!("10.0.0.1:{}80", "0".repeat(100_000));
    let long_unicode = "\u{1f980}".repeat(100_000);
    let long_ascii_then_unicode = format!("{}\u{e9}{}", "x".repeat(63), "y".repeat(1_000));
    let texts = [
        "",
        ":",
        "29999",
        "10.0.0.1",
        "10.0.0.1:",
        ":29999",
        "localhost:29999",
        "10.0.0:29999",
        "10.0.0.0.1:29999",
        "10.0.0.256:29999",
        "10.0.0.-1:29999",
        "0x0a.0.0.1:29999",
        "010.0.0.1:29999",
        "10.0.0.01:29999",
        "167772161:29999",
        "10.0.0.1:65536",
        "10.0.0.1:+80",
        "10.0.0.1:-80",
        "10.0.0.1:8 0",
        "10.0.0.1:0x50",
        " 10.0.0.1:29999",
        "10.0.0.1:29999 ",
        "10.0.0.1 :29999",
        "10.0.0.1:29999\n",
        "10.0.0.1:29999\0",
        "10.0.0.1\0:29999",
        "\0",
        "10.0.0.1:29999:29999",
        "[10.0.0.1]:29999",
        "2001:db8::1:29999",
        "2001:db8::1",
        "[2001:db8::1]",
        "[2001:db8::1]29999",
        "[2001:db8::1:29999",
        "2001:db8::1]:29999",
        "[[2001:db8::1]]:29999",
        "[2001:db8::1::]:29999",
        "[2001:db8:::1]:29999",
        "[12001:db8::1]:29999",
        "[1:2:3:4:5:6:7]:29999",
        "[1:2:3:4:5:6:7:8:9]:29999",
        "[2001:db8::g]:29999",
        "[2001:db8::10.0.0.01]:29999",
        "[2001:db8::1%eth0]:29999",
        "[2001:db8::1%7]:29999",
        "[2001:db8::1%0]:29999",
        "[fe80::1%eth0]:29999",
        "[]:29999",
        "\u{661}\u{660}.0.0.1:29999",
        "10\u{3002}0.0.1:29999",
        "10.0.0.1\u{ff1a}29999",
        "\u{200b}10.0.0.1:29999",
        "\u{feff}10.0.0.1:29999",
        &long_digits,
        &long_unicode,
        &long_ascii_then_unicode,
    ];
    for text in texts {
        let Err(NetIdError::Malformed { excerpt, length }) = text.parse::<NetId>() else {
            panic!("{text:?} is not refused as malformed");
        };
        assert_eq!(length, text.len());
        assert!(text.starts_with(&excerpt) && excerpt.len() <= 64, "{text:?} -> {excerpt:?}");
        assert!(excerpt == text || excerpt.len() > 60, "{text:?} -> {excerpt:?}");
    }
}

#[test]
fn other_spellings_are_normalized_to_rfc_5952() {
    let table = [
        ("[2001:DB8:0:0:0:0:0:1]:29999", "[2001:db8::1]:29999"),
        ("[2001:0db8:0000:0000:0000:0000:0000:0001]:29999", "[2001:db8::1]:29999"),
        ("[2001:db8::0:1]:29999", "[2001:db8::1]:29999"),
        ("[2001:db8::1:1:1:1:1]:29999", "[2001:db8:0:1:1:1:1:1]:29999"),
        ("[2001:0:0:1:0:0:0:1]:29999", "[2001:0:0:1::1]:29999"),
        ("[2001:db8:0:0:1:0:0:1]:29999", "[2001:db8::1:0:0:1]:29999"),
        ("[64:ff9b::192.0.2.33]:29999", "[64:ff9b::c000:221]:29999"),
        (
            "[fd00:ffff:ffff:ffff:ffff:ffff:255.255.255.255]:65535",
            "[fd00:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
        ),
        ("10.0.0.1:00080", "10.0.0.1:80"),
    ];
    for (text, canonical) in table {
        let id: NetId = text.parse().expect(text);
        assert_eq!(id.to_string(), canonical);
        assert_eq!(canonical.parse(), Ok(id));
    }
}

#[test]
fn errors_say_what_was_refused_on_one_line() {
    let error_text = |text: &str| text.parse::<NetId>().expect_err(text).to_string();
    assert_eq!(error_text("10.0.0.1:0"), "10.0.0.1 has port 0, but ports are 1 to 65535");
    assert_eq!(
        error_text("a\nb\u{1b}[31m"),
        r#""a\nb\u{1b}[31m" (8 bytes in all) is neither a.b.c.d:port nor [v6]:port"#
    );
    assert!(error_text(&"x".repeat(1_000_000)).len() < 200);
}

/// Addresses of both families, often close to each other, with runs of zeros, and ports that differ
/// in either byte.
fn net_id() -> impl Strategy<Value = NetId> {
    let octet = || prop_oneof![Just(1_u8), Just(2), any::<u8>()];
    let group = || prop_oneof![3 => Just(0_u16), 1 => Just(1), 1 => any::<u16>()];
    let ip = prop_oneof![
        proptest::array::uniform4(octet()).prop_map(IpAddr::from),
        proptest::array::uniform8(group()).prop_map(IpAddr::from),
    ];
    let port = prop_oneof![Just(0x0100_u16), Just(0x00ff), Just(0xff00), any::<u16>()];
    (ip, port).prop_filter_map("refused", |(ip, port)| NetId::new(ip, port).ok())
}

/// The bytes by which ids are ordered on the wire: family, octets, port with its high byte first.
fn wire(id: NetId) -> Vec<u8> {
    let mut bytes = match id.ip() {
        IpAddr::V4(ip) => [&[4][..], &ip.octets()].concat(),
        IpAddr::V6(ip) => [&[6][..], &ip.octets()].concat(),
    };
    bytes.extend(id.port().to_be_bytes());
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn the_order_is_that_of_the_bytes(a in net_id(), b in net_id(), same_ip in any::<bool>()) {
        let b = if same_ip { NetId::new(a.ip(), b.port()).expect("both were accepted") } else { b };
        prop_assert_eq!(a.cmp(&b), wire(a).cmp(&wire(b)));
        prop_assert_eq!(a.partial_cmp(&b), Some(a.cmp(&b)));
        prop_assert_eq!(a == b, wire(a) == wire(b));
    }

    #[test]
    fn display_and_parse_round_trip(id in net_id()) {
        let text = id.to_string();
        prop_assert_eq!(text.parse::<NetId>(), Ok(id));
        prop_assert_eq!(NetId::try_from(SocketAddr::from(id)), Ok(id));
        prop_assert_eq!(NetId::new(id.ip(), id.port()), Ok(id));
        prop_assert_eq!(format!("{id:?}"), text);
    }

    /// Every text that parses as an id is displayed in one way, which parses as the same id.
    #[test]
    fn no_text_panics(text in r"(\[[0-9a-fA-F:.%]{0,45}\]|[0-9.]{0,16}|\PC{0,20}):?[0-9+]{0,6}") {
        match text.parse::<NetId>() {
            Ok(id) => prop_assert_eq!(id.to_string().parse(), Ok(id)),
            Err(NetIdError::Malformed { length, .. }) => prop_assert_eq!(length, text.len()),
            Err(other) => prop_assert!(text.parse::<SocketAddr>().is_ok(), "{}", other),
        }
    }
}
