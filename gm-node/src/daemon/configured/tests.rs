//! What is withdrawn, what stays, and a file that is read whatever is in it.

use super::*;

fn group() -> GroupName {
    "g".parse().unwrap()
}

fn range(start: u32, end: u32) -> KeyRange {
    KeyRange::new(start, end).unwrap()
}

fn served(port: u16, priority: u16) -> Says {
    Says::Serve { port, priority }
}

fn of(ranges: &[(u32, u32, Says)]) -> Vec<Entry> {
    ranges
        .iter()
        .map(|(start, end, says)| Entry { group: group(), range: range(*start, *end), says: *says })
        .collect()
}

/// What is planned if that was remembered, is wanted, and stands.
fn planned(remembered: &[(u32, u32, Says)], wanted: &[(u32, u32, Says)], own: &[(u32, u32, Says)]) -> Plan {
    let own = own.iter().map(|(start, end, says)| (range(*start, *end), *says)).collect();
    plan(&group(), &of(remembered), &of(wanted), &own)
}

#[test]
fn what_the_configuration_no_longer_says_is_withdrawn_if_it_stands_as_it_was_written() {
    let (old, new) = ((0, 9, served(80, 1)), (10, 19, served(80, 1)));
    let plan = planned(&[old], &[new], &[old, new]);
    assert_eq!(plan, Plan { withdrawn: vec![range(0, 9)], ..Plan::default() });
    assert_eq!(planned(&[old], &[old], &[old]), Plan::default());
    assert_eq!(planned(&[old], &[], &[]), Plan::default(), "it is gone already");
    // Another port of the same range is applied, not withdrawn.
    assert_eq!(planned(&[old], &[(0, 9, served(81, 1))], &[(0, 9, served(81, 1))]), Plan::default());
}

#[test]
fn what_a_command_changed_or_wrote_stays() {
    let (old, by_hand) = ((0, 9, served(80, 1)), (0, 9, served(80, 7)));
    let plan = planned(&[old], &[], &[by_hand, (20, 29, served(1, 1))]);
    assert_eq!(plan, Plan { changed: vec![(range(0, 9), served(80, 7))], ..Plan::default() });
    // Two starts wrote it, and the second did not come to its end: either is the configuration's.
    let plan = planned(&[old, by_hand], &[], &[by_hand, (20, 29, served(1, 1))]);
    assert_eq!((plan.withdrawn, plan.leaves), (vec![range(0, 9)], false));
}

#[test]
fn a_group_in_which_nothing_else_is_left_is_left_unless_it_is_still_named() {
    let (old, whole) = ((0, 9, served(80, 1)), (0, u32::MAX, Says::Interest));
    assert!(planned(&[old, whole], &[], &[old, whole]).leaves);
    assert!(!planned(&[old], &[], &[old, (5, 5, Says::Interest)]).leaves);
    let plan = planned(&[old], &[whole], &[old]);
    assert_eq!((plan.leaves, plan.rejoins), (false, vec![KeyRange::WHOLE]));
    assert_eq!(planned(&[], &[], &[old]), Plan::default(), "it was never the configuration's");
}

#[test]
fn the_file_is_written_and_read_and_whatever_is_wrong_in_it_is_left_out() {
    let dir = std::env::temp_dir().join(format!("gm-configured-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let memory = Memory::of(&dir);
    assert_eq!(memory.read(), []);
    let joins: Vec<Joining> = vec!["g=1-2,5-6".parse().unwrap(), "h".parse().unwrap()];
    let serves: Vec<Serving> = vec!["g:0-9@80/7".parse().unwrap()];
    let all = entries(&joins, &serves);
    assert_eq!(all.len(), 4);
    memory.write(&all).unwrap();
    assert_eq!(memory.read(), all);
    let file = dir.join("configured.json");
    let text = std::fs::read_to_string(&file).unwrap();
    for (wrong, left) in [
        (text.replace("\"port\":80", "\"port\":80000"), 3),
        (text.replace("\"start\":5", "\"start\":7"), 3),
        (text.replace("\"version\":1", "\"version\":1,\"later\":[]"), 4),
        (text.replace("\"version\":1", "\"version\":2"), 0),
        (text.replace("\"version\":1", "\"version\":\"x\""), 0),
        (text[..text.len() / 2].to_owned(), 0),
        (String::new(), 0),
        ("[]".to_owned(), 0),
    ] {
        std::fs::write(&file, &wrong).unwrap();
        assert_eq!(memory.read().len(), left, "{wrong}");
    }
    std::fs::write(&file, [0xff, 0xfe]).unwrap();
    assert_eq!(memory.read(), []);
    std::fs::remove_dir_all(&dir).unwrap();
}
