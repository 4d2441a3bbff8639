//! Evaluation of acks: no member is counted twice, and a wait ends early only if no member is left
//! that might answer.

use gm_broadcast::Rng;

use super::*;
use crate::command::Wait;

const KNOWN: GroupFacts = GroupFacts { in_sync: true, single_node: false, members: 3 };

fn node(number: u8) -> NetId {
    format!("10.0.0.{number}:29999").parse().unwrap()
}

fn nodes(numbers: &[u8]) -> Vec<NetId> {
    numbers.iter().map(|number| node(*number)).collect()
}

fn at(millis: u64) -> Time {
    Time::from_nanos(millis * 1_000_000)
}

fn waiter(count: AckCount) -> Waiter {
    let wait = Wait { count, on_disk: false, timeout: Duration::from_secs(5) };
    let version = gm_data::Version::new(gm_clock::Incarnation::new(1).unwrap(), false, 1).unwrap();
    let answer = PendingAnswer::new(1, wait, true, version);
    let kind = WaitKind::of(&answer);
    Waiter::new(at(0), "Customers".parse().unwrap(), Subject::Own(vec![]), kind, vec![answer])
}

fn part(numbers: &[u8], delivered: u64, refused: u64, missing: u64) -> AckPart {
    AckPart { nodes: nodes(numbers), delivered, refused, missing, closed: false }
}

fn closed(number: u8) -> AckPart {
    AckPart { closed: true, ..part(&[number], 0, 0, 1) }
}

/// A settled round.
fn round(waiter: &mut Waiter, tag: u64, targets: &[u8], whole: bool, parts: Vec<AckPart>) {
    waiter.begin(tag, nodes(targets), 0, whole);
    let total = |of: fn(&AckPart) -> u64| parts.iter().map(of).sum::<u64>();
    let (delivered, refused, missing) =
        (total(|part| part.delivered), total(|part| part.refused), total(|part| part.missing));
    let unknown = targets.len() as u64 - delivered - refused - missing;
    let report = AckReport { delivered, refused, missing, unknown, settled: true, ..AckReport::default() };
    assert!(waiter.on_acks(tag, report, parts));
}

fn verdict(waiter: &Waiter, count: AckCount, facts: GroupFacts) -> Option<WaitOutcome> {
    waiter.verdict(at(1_000), at(5_000), count, facts)
}

#[test]
fn a_silent_member_is_asked_again_and_counted_once() {
    let mut waiter = waiter(AckCount::Some(3));
    round(&mut waiter, 1, &[1, 2, 3], true, vec![part(&[1, 2], 1, 0, 0), part(&[3], 0, 0, 1)]);
    assert_eq!(waiter.counts(), AckTotals { delivered: 1, refused: 0, missing: 1, silent: 1 });
    let (open, before) = waiter.take_unanswered(|_| true);
    assert_eq!((open, before), (nodes(&[1, 2, 3]), 1));
    waiter.begin(2, nodes(&[1, 2, 3]), before, true);
    assert_eq!(waiter.counts().delivered, 1, "the earlier ack persists");
    let report = AckReport { delivered: 2, unknown: 1, ..AckReport::default() };
    assert!(!waiter.on_acks(2, report, vec![]));
    assert_eq!(waiter.counts(), AckTotals { delivered: 2, refused: 0, missing: 0, silent: 1 });
    let report = AckReport { delivered: 3, settled: true, ..AckReport::default() };
    assert!(waiter.on_acks(2, report, vec![part(&[1, 2, 3], 3, 0, 0)]));
    assert_eq!(waiter.counts(), AckTotals { delivered: 3, ..AckTotals::default() });
    assert_eq!(waiter.asked(), 3);
    assert_eq!(verdict(&waiter, AckCount::Some(3), KNOWN), Some(WaitOutcome::Satisfied));
}

#[test]
fn a_refused_increment_is_retried_a_refused_record_is_not() {
    let mut waiter = waiter(AckCount::All);
    waiter.required = nodes(&[1, 2]).into_iter().collect();
    round(&mut waiter, 1, &[1, 2], false, vec![part(&[1], 1, 0, 0), part(&[2], 0, 1, 0)]);
    assert_eq!(verdict(&waiter, AckCount::All, KNOWN), None);
    assert_eq!(waiter.take_unanswered(|_| true), (nodes(&[2]), 0));
    round(&mut waiter, 2, &[2], true, vec![part(&[2], 0, 1, 0)]);
    assert_eq!(waiter.take_unanswered(|_| true), (vec![], 0));
    assert_eq!(verdict(&waiter, AckCount::All, KNOWN), Some(WaitOutcome::Settled));
    let waited = waiter.report(WaitOutcome::Settled, KNOWN, 16);
    assert_eq!((waited.members, waited.acknowledged, waited.refused), (3, 1, 1));
}

/// Neither silence nor an unreachable host ends a wait.
#[test]
fn a_wait_settles_when_no_member_can_still_answer() {
    for (open, ends) in [(part(&[2], 0, 0, 0), false), (part(&[2], 0, 0, 1), false), (closed(2), true)] {
        for count in [AckCount::All, AckCount::Some(2)] {
            let mut waiter = waiter(count);
            if count == AckCount::All {
                waiter.required = nodes(&[1, 2]).into_iter().collect();
            }
            round(&mut waiter, 1, &[1, 2], true, vec![part(&[1], 1, 0, 0), open.clone()]);
            let facts = GroupFacts { members: 2, ..KNOWN };
            let end = verdict(&waiter, count, facts);
            assert_eq!(end, ends.then_some(WaitOutcome::Settled), "{open:?}, {count:?}");
            let guess = GroupFacts { in_sync: false, ..facts };
            assert_eq!(verdict(&waiter, count, guess), None, "members may still be found");
            assert_eq!(waiter.verdict(at(5_000), at(5_000), count, facts), Some(WaitOutcome::TimedOut));
            waiter.begin(2, nodes(&[3]), 0, true);
            assert_eq!(verdict(&waiter, count, facts), None, "a member is asked");
        }
    }
}

#[test]
fn a_wait_for_more_members_than_are_known_uses_its_time() {
    let mut waiter = waiter(AckCount::Some(3));
    round(&mut waiter, 1, &[1, 2], true, vec![part(&[1], 1, 0, 0), closed(2)]);
    assert_eq!(verdict(&waiter, AckCount::Some(3), GroupFacts { members: 2, ..KNOWN }), None);
    assert_eq!(
        verdict(&waiter, AckCount::Some(3), GroupFacts { members: 3, ..KNOWN }),
        None,
        "one was not asked"
    );
    let alone = GroupFacts { single_node: true, members: 0, ..KNOWN };
    assert_eq!(
        verdict(&waiter, AckCount::Some(3), alone),
        Some(WaitOutcome::Settled),
        "there is no other member"
    );
}

#[test]
fn a_wait_for_all_is_for_one_at_least() {
    let mut waiter = waiter(AckCount::All);
    let no_member = GroupFacts { members: 0, ..KNOWN };
    assert_eq!(verdict(&waiter, AckCount::All, no_member), None);
    assert_eq!(waiter.wanted(), 1);
    assert_eq!(
        verdict(&waiter, AckCount::All, GroupFacts { single_node: true, ..no_member }),
        Some(WaitOutcome::Satisfied)
    );
    round(&mut waiter, 1, &[1], true, vec![part(&[1], 1, 0, 0)]);
    assert_eq!(
        verdict(&waiter, AckCount::All, GroupFacts { members: 1, ..KNOWN }),
        Some(WaitOutcome::Satisfied)
    );
    let early = GroupFacts { in_sync: false, members: 1, ..KNOWN };
    assert_eq!(verdict(&waiter, AckCount::All, early), None, "there may be more affected members");
    // A further affected member was discovered.
    waiter.required = nodes(&[2]).into_iter().collect();
    assert!(waiter.lacks_questions());
    assert_eq!(verdict(&waiter, AckCount::All, KNOWN), None);
}

#[test]
fn a_record_that_cannot_be_sent_settles() {
    let mut waiter = waiter(AckCount::Some(1));
    waiter.not_broadcast = true;
    round(&mut waiter, 1, &[1], true, vec![]);
    assert_eq!(verdict(&waiter, AckCount::Some(1), KNOWN), Some(WaitOutcome::Settled));
    assert_eq!(waiter.report(WaitOutcome::Settled, KNOWN, 16).unanswered, 1);
}

#[test]
fn whoever_left_is_not_asked_again() {
    let mut waiter = waiter(AckCount::Some(2));
    round(&mut waiter, 1, &[1, 2], true, vec![part(&[1], 0, 0, 0), part(&[2], 0, 0, 0)]);
    assert_eq!(waiter.take_unanswered(|member| member == node(2)), (nodes(&[2]), 0));
    assert_eq!(waiter.asked(), 1);
    assert!(!waiter.was_asked(node(1)), "it is asked if it joins again");
}

#[test]
fn asking_again_is_rarer_each_time_and_the_more_it_costs() {
    let mut waiter = waiter(AckCount::All);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        waiter.pause(at(0), 100);
        pauses.push(waiter.retry_at.since(at(0)).as_millis());
    }
    assert_eq!(pauses, [400, 800, 1_000, 1_000]);
    let many: Vec<u8> = (1..=100).collect();
    round(&mut waiter, 1, &many, true, vec![]);
    waiter.pause(at(0), 100_000);
    assert!(waiter.retry_at > at(9_000), "10 MB");
}

/// Acks persist: whatever each round reports, each member is counted once, and counts never fall.
#[test]
fn no_member_is_counted_twice() {
    for seed in 0..=u8::MAX {
        let mut rng = Rng::new([seed; 32]);
        let mut waiter = waiter(AckCount::Some(99));
        let (mut next, mut have, mut counted) = (1, BTreeSet::new(), 0);
        for tag in 0..5 {
            let (mut targets, before) = waiter.take_unanswered(|_| true);
            for _ in 0..rng.below(4) {
                targets.push(node(next));
                next += 1;
            }
            waiter.begin(tag, targets.clone(), before, true);
            let mut parts = Vec::new();
            let mut report = AckReport { settled: true, ..AckReport::default() };
            while !targets.is_empty() {
                let size = 1 + rng.index(targets.len());
                let mut part =
                    AckPart { nodes: targets.split_off(targets.len() - size), ..AckPart::default() };
                let speaks = rng.ratio(2, 3);
                for member in &part.nodes {
                    // A member may have acknowledged without its part being reported.
                    if rng.ratio(1, 2) {
                        have.insert(*member);
                    }
                    part.delivered += u64::from(speaks && have.contains(member));
                    part.missing += u64::from(speaks && !have.contains(member));
                }
                report.delivered += part.delivered;
                report.missing += part.missing;
                report.unknown += if speaks { 0 } else { size as u64 };
                if speaks || rng.ratio(1, 2) {
                    parts.push(part);
                }
            }
            waiter.on_acks(tag, report, parts);
            let AckTotals { delivered, refused, missing, silent } = waiter.counts();
            assert!(delivered <= have.len() as u64 && delivered >= counted, "seed {seed}");
            assert_eq!(delivered + refused + missing + silent, waiter.asked(), "seed {seed}");
            counted = delivered;
        }
    }
}

/// An ack of an unidentified member may be that of one that left, so it does not count for one that
/// stayed.
#[test]
fn who_left_is_not_counted_for_who_stays() {
    let mut waiter = waiter(AckCount::All);
    waiter.begin(1, nodes(&[1, 2, 3]), 0, true);
    let part = AckPart { nodes: nodes(&[1, 2, 3]), delivered: 2, ..AckPart::default() };
    let report = AckReport { delivered: 2, unknown: 1, settled: true, ..AckReport::default() };
    waiter.on_acks(1, report, vec![part]);
    assert_eq!(waiter.take_unanswered(|member| member != node(3)), (nodes(&[1, 2]), 1));
}

#[test]
fn only_a_wait_for_all_asks_members_not_yet_asked() {
    for (count, lacks) in [(AckCount::All, true), (AckCount::Some(2), false)] {
        let mut waiter = waiter(count);
        waiter.required = nodes(&[2, 3]).into_iter().collect();
        assert_eq!(waiter.lacks_questions(), lacks);
        round(&mut waiter, 1, &[2], true, vec![part(&[2], 1, 0, 0)]);
        assert_eq!(waiter.lacks_questions(), lacks);
        round(&mut waiter, 2, &[3], true, vec![part(&[3], 1, 0, 0)]);
        assert!(!waiter.lacks_questions(), "all were asked");
    }
}

#[test]
fn an_answer_ends_as_its_wait_does() {
    let mut waiter = waiter(AckCount::Some(2));
    assert!(
        !waiter.answer_due(at(0), WaitOutcome::Satisfied, KNOWN)
            && !waiter.answer_due(at(0), WaitOutcome::TimedOut, KNOWN)
    );
    assert!(waiter.answer_due(at(5_000), WaitOutcome::TimedOut, KNOWN), "its time is up");
    assert!(!waiter.answer_due(at(5_000), WaitOutcome::Satisfied, KNOWN));
    round(&mut waiter, 1, &[2, 3], true, vec![part(&[2, 3], 2, 0, 0)]);
    assert!(
        waiter.answer_due(at(0), WaitOutcome::Satisfied, KNOWN)
            && !waiter.answer_due(at(0), WaitOutcome::TimedOut, KNOWN)
    );
}

/// The members count as all asked exactly when as many were asked as there are members.
#[test]
fn as_many_as_there_are_have_to_be_asked() {
    for count in [AckCount::Some(2), AckCount::All] {
        let mut waiter = waiter(count);
        round(&mut waiter, 1, &[2, 3], true, vec![part(&[2, 3], 0, 0, 2)]);
        let facts = |members| GroupFacts { in_sync: true, single_node: false, members };
        assert!(waiter.asked_all(count, facts(2)), "{count:?}");
        assert!(!waiter.asked_all(count, facts(3)), "{count:?}");
        assert!(!waiter.asked_all(count, GroupFacts { in_sync: false, ..facts(2) }), "{count:?}");
    }
    // A single member suffices, if there is one.
    let mut waiter = waiter(AckCount::All);
    round(&mut waiter, 1, &[2], true, vec![part(&[2], 0, 0, 1)]);
    assert!(waiter.asked_all(AckCount::All, GroupFacts { in_sync: true, single_node: false, members: 1 }));
}
