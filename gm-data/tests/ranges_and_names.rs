//! Ranges and names as text: parsing, display, and refusals with their reasons.

mod common;

use common::range;
use gm_data::{GroupName, KeyRange, NameError, RangeError};
use proptest::prelude::*;

#[test]
fn a_range_has_both_ends_and_never_wraps() {
    let cut = KeyRange::new(10, 19).expect("in order");
    assert_eq!((cut.start(), cut.end(), cut.width()), (10, 19, 10));
    assert!(cut.contains(10) && cut.contains(19) && !cut.contains(9) && !cut.contains(20));
    assert_eq!(KeyRange::new(2, 1), Err(RangeError::Inverted { start: 2, end: 1 }));
    assert_eq!(KeyRange::new(u32::MAX, 0), Err(RangeError::Inverted { start: u32::MAX, end: 0 }));
    assert_eq!(KeyRange::try_from(10..=19), Ok(cut));
    assert_eq!(KeyRange::try_from(core::ops::RangeInclusive::new(2, 1)), KeyRange::new(2, 1));
    assert_eq!(KeyRange::WHOLE, KeyRange::new(0, 0xffff_ffff).expect("in order"));
    assert_eq!(KeyRange::WHOLE.width(), 1 << 32);
    for key in [0, 7, u32::MAX] {
        let single = KeyRange::single(key);
        assert_eq!((single.start(), single.end(), single.width()), (key, key, 1));
        assert!(single.contains(key) && KeyRange::WHOLE.contains(key));
    }
}

#[test]
fn ranges_overlap_where_they_share_a_key() {
    let cases = [
        ("0-9", "10-19", false),
        ("0-10", "10-19", true),
        ("0-19", "5-6", true),
        ("0x0-0xffffffff", "0xffffffff", true),
        ("0", "0xffffffff", false),
    ];
    for (left, right, overlap) in cases {
        assert_eq!(range(left).overlaps(range(right)), overlap, "{left} and {right}");
        assert_eq!(range(right).overlaps(range(left)), overlap, "{right} and {left}");
    }
}

#[test]
fn ranges_are_read_in_hex_and_decimal() {
    let cases = [
        ("0x00000000-0xffffffff", 0, u32::MAX),
        ("0-4294967295", 0, u32::MAX),
        ("0X0-0XFFFFFFFF", 0, u32::MAX),
        ("0x0-255", 0, 255),
        ("16-0xFf", 16, 255),
        ("7", 7, 7),
        ("0x7", 7, 7),
        ("0", 0, 0),
        ("0xffff_ffff".replace('_', "").as_str(), u32::MAX, u32::MAX),
        ("007-0009", 7, 9),
    ]
    .map(|(text, start, end)| (text.to_owned(), start, end));
    for (text, start, end) in cases {
        assert_eq!(text.parse(), KeyRange::new(start, end), "{text}");
    }
    assert_eq!("9-8".parse::<KeyRange>(), Err(RangeError::Inverted { start: 9, end: 8 }));
}

#[test]
fn malformed_ranges_are_refused() {
    let texts = [
        "",
        "-",
        "+7",
        "-7",
        "7-",
        "-0-7",
        "0x",
        "0x-0x",
        "0x0-0x",
        "1-2-3",
        "1--2",
        " 1",
        "1 ",
        "1 - 2",
        "1-2\n",
        "4294967296",
        "0-4294967296",
        "0x1ffffffff",
        "0x100000000",
        "0x0x7",
        "x7",
        "7x",
        "0xg",
        "1_000",
        "1,2",
        "1.0",
        "1..2",
        "1..=2",
        "a-b",
        "ff",
        "0b1",
        "0o7",
        "１",
        "٣",
        "0x１",
        "²",
        "1\u{2013}2",
        "1\0",
    ];
    for text in texts {
        assert_eq!(text.parse::<KeyRange>(), Err(RangeError::Malformed), "{text:?}");
    }
}

#[test]
fn a_name_has_1_to_255_bytes_and_no_control_characters() {
    for good in ["G", "Customers A-H", "ügyfelek", " ", "名", &"x".repeat(255), &"é".repeat(127)] {
        let name = GroupName::new(good).expect("a good name");
        assert_eq!((name.as_str(), name.to_string().as_str()), (good, good));
        assert_eq!(good.parse(), Ok(name));
    }
    assert_eq!(GroupName::new(""), Err(NameError::Empty));
    assert_eq!(GroupName::new(&"x".repeat(256)), Err(NameError::TooLong { bytes: 256 }));
    assert_eq!(GroupName::new(&"é".repeat(128)), Err(NameError::TooLong { bytes: 256 }));
    for (bad, character, at) in
        [("a\nb", '\n', 1), ("\0", '\0', 0), ("é\u{7f}", '\u{7f}', 2), ("\u{85}", '\u{85}', 0)]
    {
        assert_eq!(GroupName::new(bad), Err(NameError::Control { character, at }), "{bad:?}");
    }
    // The length is checked first, so that the work is bounded.
    assert_eq!(GroupName::new(&"\n".repeat(300)), Err(NameError::TooLong { bytes: 300 }));
}

#[test]
fn names_are_ordered_by_their_bytes_and_padded_in_tables() {
    let [upper, lower, accent] = ["Z", "a", "é"].map(common::name);
    assert!(upper < lower && lower < accent);
    assert_eq!(format!("{lower:<3}|{lower:?}"), "a  |\"a\"");
}

proptest! {
    /// The displayed text parses as the same range, and ranges are ordered by start, then end.
    #[test]
    fn display_and_parse_round_trip(a: u32, b: u32, c: u32, d: u32) {
        let [left, right] = [(a, b), (c, d)].map(|(x, y)| KeyRange::new(x.min(y), x.max(y)).expect("in order"));
        prop_assert_eq!(left.to_string().parse(), Ok(left));
        prop_assert_eq!(format!("{}-{}", left.start(), left.end()).parse(), Ok(left));
        prop_assert_eq!(left.to_string().len(), 21);
        prop_assert_eq!(left.cmp(&right), (left.start(), left.end()).cmp(&(right.start(), right.end())));
        let shares = left.contains(right.start()) || right.contains(left.start());
        prop_assert_eq!(left.overlaps(right), shares);
    }

    /// Any text is either parsed or refused, and the displayed form of a parsed value parses as the
    /// same value.
    #[test]
    fn no_text_panics(text in "[0-9a-fxX+ _-]{0,24}|\\PC{0,12}") {
        if let Ok(read) = text.parse::<KeyRange>() {
            prop_assert_eq!(read.to_string().parse(), Ok(read));
        }
        if let Ok(name) = GroupName::new(&text) {
            prop_assert_eq!(name.as_str(), text);
        }
    }
}
