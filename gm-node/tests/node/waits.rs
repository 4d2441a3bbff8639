//! Waits: for none, some, all; in memory and on disk; for members that are known, and for those that are found later.

use std::time::Duration;

use gm_node::{Command, Count, End, Forget, Wait, What};
use gm_sim::NodeIndex;

use crate::town::{agree, disks, group, id, millis, range, serve, settle, town, write};

#[test]
fn a_wait_for_all_has_all_whom_it_concerns() {
    let (mut town, told) = town(4, &disks(4), |_| {});
    settle(&mut town, 4);
    // Of the four, nodes 0 and 1 overlap this range; whoever writes it is not counted.
    town.command(NodeIndex(3), write(1, serve(0, 1_400), Wait::all(Duration::from_secs(2))));
    town.run_for(Duration::from_secs(2));
    let waited = told.waited(1);
    assert_eq!((waited.end, waited.delivered), (End::Satisfied, 2));
}

/// Another may join while there is time.
#[test]
fn a_wait_for_more_members_than_there_are_uses_its_time() {
    let (mut town, told) = town(4, &disks(4), |_| {});
    settle(&mut town, 3);
    town.command(NodeIndex(0), write(1, serve(0, u32::MAX), Wait::some(2, Duration::from_secs(2))));
    town.command(NodeIndex(1), write(2, serve(0, u32::MAX), Wait::some(3, Duration::from_secs(2))));
    town.run_for(millis(1_900));
    assert_eq!(told.waited(1).end, End::Satisfied);
    assert!(told.answer(2).is_none());
    town.run_for(millis(200));
    let waited = told.waited(2);
    assert_eq!((waited.end, waited.members, waited.delivered), (End::TimedOut, 2, 2));
    town.command(NodeIndex(1), write(3, serve(0, u32::MAX - 1), Wait::some(3, Duration::from_secs(10))));
    town.run_for(Duration::from_secs(1));
    town.command(NodeIndex(3), write(4, serve(5, 9), Wait::NONE));
    town.run_for(Duration::from_secs(3));
    let waited = told.waited(3);
    assert_eq!((waited.end, waited.members, waited.delivered), (End::Satisfied, 3, 3));
}

#[test]
fn on_disk_counts_who_has_it_on_disk_and_who_has_none_never_does() {
    let disks = disks(2);
    let (mut town, told) = town(3, &disks, |_| {});
    settle(&mut town, 3);
    disks[1].set_latency(millis(400));
    let wait = |count| Wait { count, disk: true, within: Duration::from_secs(5) };
    let began = town.now();
    town.command(NodeIndex(0), write(1, serve(0, u32::MAX), wait(Count::Some(1))));
    town.run_for(Duration::from_secs(3));
    let (at, _) = told.answer(1).unwrap();
    assert!(at.since(began) >= millis(400), "answered after {:?}", at.since(began));
    town.command(NodeIndex(0), write(2, serve(1, u32::MAX), wait(Count::All)));
    town.run_for(Duration::from_secs(3));
    // The third node keeps nothing on disk.
    let waited = told.waited(2);
    assert_eq!((waited.end, waited.delivered, waited.refused), (End::Settled, 1, 1));
    assert_eq!((waited.unreachable, waited.unknown), (0, 0));
}

#[test]
fn an_owner_that_ends_ends_the_waits_of_what_is_stored() {
    let disks = disks(2);
    let (mut town, told) = town(2, &disks, |_| {});
    settle(&mut town, 2);
    town.pause(NodeIndex(1));
    let long = |tag, start| write(tag, serve(start, u32::MAX), Wait::all(Duration::from_secs(600)));
    town.command(NodeIndex(0), long(1, 0));
    town.run_for(millis(100));
    disks[0].set_latency(millis(500));
    town.command(NodeIndex(0), long(2, 1));
    town.run_for(millis(100));
    town.command(NodeIndex(0), Command::EndWaits);
    town.run_for(millis(1));
    let waited = told.waited(1);
    assert_eq!((waited.end, waited.delivered), (End::TimedOut, 0));
    assert!(told.answer(2).is_none(), "it is with the storage");
}

#[test]
fn all_is_not_known_before_somebody_agreed() {
    let (mut town, told) = town(2, &disks(2), |_| {});
    town.crash(NodeIndex(0));
    town.crash(NodeIndex(1));
    town.start(NodeIndex(1));
    town.command(NodeIndex(1), write(1, serve(0, 9), Wait::all(Duration::from_secs(3))));
    town.run_for(Duration::from_secs(4));
    let waited = told.waited(1);
    assert_eq!((waited.end, waited.delivered), (End::TimedOut, 0));
    town.start(NodeIndex(0));
    town.run_for(Duration::from_secs(15));
    town.command(NodeIndex(1), write(2, serve(10, 19), Wait::all(Duration::from_secs(3))));
    town.run_for(Duration::from_secs(4));
    assert_eq!(told.waited(2).end, End::TimedOut, "the other is up, and does not hold the group");
}

/// Each of the three serves keys of its own, so that nothing that one writes concerns another.
pub(crate) fn apart(town: &mut crate::town::Town, nodes: u32) {
    for node in 0..nodes {
        town.command(NodeIndex(node), write(0, serve(node * 1_000, node * 1_000 + 9), Wait::NONE));
    }
    town.run_for(Duration::from_secs(5));
    assert!(agree(town, nodes as usize));
}

pub(crate) fn ended(told: &crate::town::Told, tag: u64) -> (End, u64) {
    let waited = told.waited(tag);
    (waited.end, waited.delivered)
}

#[test]
fn a_count_is_of_any_members_where_a_write_concerns_none() {
    use gm_data::Change;
    let (mut town, told) = town(3, &disks(3), |_| {});
    apart(&mut town, 3);
    let second = Duration::from_secs(1);
    let range = range(0, 9);
    let writes = [
        (serve(50, 59), Wait::some(1, second)),
        (What::Change(vec![Change::Priority { range, priority: 7 }]), Wait::some(2, second)),
        (serve(60, 69), Wait::all(second)),
        (What::Change(vec![Change::Unserve(range)]), Wait { disk: true, ..Wait::some(2, second) }),
        (serve(50, 59), Wait::some(2, second)),
        (What::Leave, Wait::some(2, second)),
    ];
    for (tag, (what, wait)) in (1..).zip(writes) {
        town.command(NodeIndex(0), write(tag, what.clone(), wait));
        town.run_for(millis(900));
        let waited = told.waited(tag);
        assert_eq!((waited.end, waited.members), (End::Satisfied, 2), "{what:?}: {waited:?}");
        let least = if let Count::Some(count) = wait.count { count } else { 1 };
        assert!(waited.delivered >= least, "{what:?}: {waited:?}");
    }
    town.run_for(Duration::from_secs(20));
    assert!(town.machine(NodeIndex(0)).unwrap().view(&group()).is_none(), "it left, and lets go");
    let forget = Forget { tag: 20, group: None, member: id(2), wait: Wait::some(1, second) };
    town.crash(NodeIndex(2));
    town.command(NodeIndex(0), write(21, What::Join(vec![]), Wait::some(2, second)));
    town.command(NodeIndex(1), Command::Forget(forget));
    town.run_for(Duration::from_secs(2));
    assert_eq!(told.waited(20).members, 1, "the forgotten one is not counted");
}

/// A member whose records others lack refuses the increment, and takes the record.
#[test]
fn a_member_that_lacks_what_came_before_is_asked_again() {
    let (mut town, told) = town(3, &disks(3), |config| config.broadcast.multicast = false);
    apart(&mut town, 3);
    // More items than are sent whole to members that it does not concern.
    let ranges: Vec<_> = (0..100).map(|place| range(100_000 + 10 * place, 100_009 + 10 * place)).collect();
    town.command(NodeIndex(0), write(1, What::Join(ranges), Wait::NONE));
    town.run_for(millis(20));
    town.command(NodeIndex(0), write(2, serve(20, 29), Wait::some(2, Duration::from_secs(5))));
    town.run_for(Duration::from_secs(1));
    assert_eq!(ended(&told, 2), (End::Satisfied, 2));
}

/// A newcomer knows nobody when it writes first.
#[test]
fn a_first_write_waits_for_members_that_are_found_later() {
    for count in [Count::Some(1), Count::Some(2), Count::All] {
        for multicast in [false, true] {
            let (mut town, told) = town(3, &disks(3), move |config| config.broadcast.multicast = multicast);
            town.crash(NodeIndex(2));
            apart(&mut town, 2);
            town.run_for(Duration::from_secs(60));
            town.start(NodeIndex(2));
            let wait = Wait { count, disk: false, within: Duration::from_secs(5) };
            town.command(NodeIndex(2), write(1, What::Join(vec![]), wait));
            town.run_for(Duration::from_secs(3));
            let waited = told.waited(1);
            assert_eq!(waited.end, End::Satisfied, "{count:?}, multicast {multicast}: {waited:?}");
            assert!(count == Count::Some(1) || waited.delivered == 2, "{waited:?}");
        }
    }
}

/// The other member is not there yet when the wait begins: it is started, and joins, in the midst of it.
#[test]
fn a_wait_begins_when_a_member_is_found() {
    let (mut town, told) = town(2, &disks(2), |_| {});
    town.crash(NodeIndex(1));
    for (tag, count) in [(1, Count::Some(1)), (2, Count::All)] {
        let wait = Wait { count, disk: true, within: Duration::from_secs(20) };
        town.command(NodeIndex(0), write(tag, serve(0, 9), wait));
    }
    town.run_for(Duration::from_secs(5));
    assert!(told.answer(1).is_none() && told.answer(2).is_none());
    town.start(NodeIndex(1));
    town.command(NodeIndex(1), write(3, serve(1_000, 1_009), Wait::NONE));
    town.run_for(Duration::from_secs(5));
    assert_eq!((ended(&told, 1), ended(&told, 2)), ((End::Satisfied, 1), (End::Satisfied, 1)));
}

/// Two who write at one time and wait differently: each is answered for itself.
#[test]
fn waits_of_one_tick_are_counted_apart() {
    let (mut town, told) = town(3, &disks(2), |_| {});
    settle(&mut town, 3);
    let within = Duration::from_secs(2);
    let waits = [
        Wait::all(within),
        Wait { disk: true, ..Wait::all(within) },
        Wait::some(2, within),
        Wait { disk: true, ..Wait::some(1, within) },
    ];
    for (tag, wait) in (1..).zip(waits) {
        let start = 100_000 * u32::try_from(tag).unwrap();
        town.command(NodeIndex(0), write(tag, serve(0, start), wait));
    }
    town.run_for(Duration::from_secs(1));
    let ends: Vec<(End, u64)> = (1..=4).map(|tag| ended(&told, tag)).collect();
    // The third node keeps nothing on disk.
    let expected = [(End::Satisfied, 2), (End::Settled, 1), (End::Satisfied, 2), (End::Satisfied, 1)];
    assert_eq!(ends, expected);
}
