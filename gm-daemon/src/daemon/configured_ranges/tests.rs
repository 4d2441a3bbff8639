//! Tests of the withdrawal plan and of the file of remembered ranges.

use super::*;

fn group() -> GroupName {
    "g".parse().unwrap()
}

fn range(start: u32, end: u32) -> KeyRange {
    KeyRange::new(start, end).unwrap()
}

fn served(port: u16, priority: u16) -> RangeUse {
    RangeUse::Serve { port, priority }
}

fn configured(ranges: &[(u32, u32, RangeUse)]) -> Vec<ConfiguredRange> {
    ranges
        .iter()
        .map(|(start, end, says)| ConfiguredRange {
            group: group(),
            range: range(*start, *end),
            range_use: *says,
        })
        .collect()
}

/// Plan for remembered, configured and present ranges.
fn planned(
    remembered: &[(u32, u32, RangeUse)],
    wanted: &[(u32, u32, RangeUse)],
    own: &[(u32, u32, RangeUse)],
) -> WithdrawalPlan {
    let own = own.iter().map(|(start, end, says)| (range(*start, *end), *says)).collect();
    plan_withdrawal(&group(), &configured(remembered), &configured(wanted), &own)
}

#[test]
fn unchanged_ranges_without_configuration_are_withdrawn() {
    let (old, new) = ((0, 9, served(80, 1)), (10, 19, served(80, 1)));
    let plan = planned(&[old], &[new], &[old, new]);
    assert_eq!(plan, WithdrawalPlan { withdrawn: vec![range(0, 9)], ..WithdrawalPlan::default() });
    assert_eq!(planned(&[old], &[old], &[old]), WithdrawalPlan::default());
    assert_eq!(planned(&[old], &[], &[]), WithdrawalPlan::default(), "the range is already gone");
    // Another port of the same range is applied, not withdrawn.
    assert_eq!(
        planned(&[old], &[(0, 9, served(81, 1))], &[(0, 9, served(81, 1))]),
        WithdrawalPlan::default()
    );
}

#[test]
fn ranges_changed_by_commands_stay() {
    let (old, by_hand) = ((0, 9, served(80, 1)), (0, 9, served(80, 7)));
    let plan = planned(&[old], &[], &[by_hand, (20, 29, served(1, 1))]);
    assert_eq!(
        plan,
        WithdrawalPlan { changed: vec![(range(0, 9), served(80, 7))], ..WithdrawalPlan::default() }
    );
    // After an interrupted start both values count as configured.
    let plan = planned(&[old, by_hand], &[], &[by_hand, (20, 29, served(1, 1))]);
    assert_eq!((plan.withdrawn, plan.leaves), (vec![range(0, 9)], false));
}

#[test]
fn a_group_without_ranges_is_left_unless_configured() {
    let (old, whole) = ((0, 9, served(80, 1)), (0, u32::MAX, RangeUse::Interest));
    assert!(planned(&[old, whole], &[], &[old, whole]).leaves);
    assert!(!planned(&[old], &[], &[old, (5, 5, RangeUse::Interest)]).leaves);
    let plan = planned(&[old], &[whole], &[old]);
    assert_eq!((plan.leaves, plan.rejoins), (false, vec![KeyRange::WHOLE]));
    assert_eq!(planned(&[], &[], &[old]), WithdrawalPlan::default(), "the range was never configured");
}

#[test]
fn invalid_entries_of_the_file_are_ignored() {
    let dir = std::env::temp_dir().join(format!("gm-configured-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&dir);
    std::fs::create_dir_all(&dir).unwrap();
    let memory = ConfiguredFile::in_dir(&dir);
    assert_eq!(memory.read(), []);
    let joins: Vec<JoinSpec> = vec!["g=1-2,5-6".parse().unwrap(), "h".parse().unwrap()];
    let serves: Vec<ServeSpec> = vec!["g:0-9@80/7".parse().unwrap()];
    let all = configured_ranges(&joins, &serves);
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
