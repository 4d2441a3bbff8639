//! Tests of the general checkers, and of the report of a campaign.

mod toys;

use std::cell::RefCell;
use std::rc::Rc;

use gm_broadcast::{Input, Machine, Time};
use gm_sim::{
    ByteConservation, Campaign, Checker, FaultClass, FaultCounts, LimitChecker, NodeIndex, Observation,
    ObservationContext, Run, TrafficKind, Violation, ViolationKind, World,
};
use toys::{Chatter, Probe, at, locations, plain, probes};

const HERE: ObservationContext = ObservationContext { at: Time::ZERO, node: NodeIndex(0) };

fn sent(bytes: &[u8], copies: usize) -> Observation<'_, Probe> {
    Observation::Sent { flow: TrafficKind::Multicast, to: None, link: None, copies, bytes }
}

#[test]
fn bytes_never_sent_or_unaccounted_for_are_found() {
    let arrived = |length: usize| -> Observation<'static, Probe> {
        Observation::Arrived { flow: TrafficKind::Multicast, length }
    };
    let mut bytes = ByteConservation::new();
    assert_eq!(bytes.observe(HERE, &sent(&[1, 2], 3)), Ok(()));
    for _ in 0..3 {
        assert_eq!(bytes.observe(HERE, &arrived(2)), Ok(()));
    }
    assert_eq!(bytes.balance(Time::ZERO, [0; 3]), Ok(()));
    assert_eq!(bytes.observe(HERE, &arrived(1)).unwrap_err().kind, ViolationKind::Safety);

    let mut bytes = ByteConservation::new();
    assert_eq!(bytes.observe(HERE, &sent(&[1, 2], 3)), Ok(()));
    let lost: Observation<'_, Probe> = Observation::Lost { flow: TrafficKind::Multicast, length: 4 };
    assert_eq!(bytes.observe(HERE, &lost), Ok(()));
    assert_eq!(bytes.balance(Time::ZERO, [2, 0, 0]), Ok(()));
    assert!(bytes.balance(Time::ZERO, [0; 3]).is_err(), "two bytes are unaccounted for");
    assert!(bytes.balance(Time::ZERO, [2, 1, 0]).is_err(), "a byte in flight was never sent");
    let world = probes(1, 1, plain());
    assert!(bytes.at_end(&world).is_err());
}

#[test]
fn exceeding_a_limit_ends_the_run() {
    let bounded = Rc::new(RefCell::new(LimitChecker::new("inputs", 20, |chatter: &Chatter| {
        usize::try_from(chatter.inputs).unwrap()
    })));
    let mut world = World::new(1, plain(), &locations(4, 2), Chatter::factory(4));
    world.add_checker(Rc::clone(&bounded));
    world.start_all();
    world.run_until(at(10_000));
    let run = world.finish();
    let violation = run.outcome.unwrap_err();
    assert_eq!((violation.kind, violation.checker.as_str()), (ViolationKind::Safety, "inputs"));
    assert!(world.checkers().eq(["inputs"]));
    assert_eq!((violation.at, bounded.borrow().peak()), (world.now(), 21));
    assert!(world.now() < at(10_000) && !world.step(), "a violation ends the run");
}

#[derive(Debug)]
struct NoInputChecker(usize);

impl<M: Machine> Checker<M> for NoInputChecker {
    fn name(&self) -> &'static str {
        "silence"
    }

    fn observe(&mut self, context: ObservationContext, seen: &Observation<'_, M>) -> Result<(), Violation> {
        if matches!(seen, Observation::Input(Input::Datagram { .. })) {
            self.0 += 1;
            assert!(self.0 != 7, "the seventh datagram");
        }
        let _ = context;
        Ok(())
    }

    fn at_end(&mut self, world: &World<M>) -> Result<(), Violation> {
        match self.0 {
            0..5 => Ok(()),
            count => Err(Violation::liveness("silence", world.now(), format!("{count} datagrams"))),
        }
    }
}

fn run(seed: u64) -> Run {
    let mut world = World::new(seed, plain(), &locations(4, 2), Chatter::factory(4));
    world.add_checker(NoInputChecker(0));
    world.start_all();
    world.run_until(at(28));
    world.finish()
}

#[test]
fn a_campaign_reports_crashes_and_the_replay_command() {
    let campaign = Campaign {
        seeds: 0..200,
        threads: 2,
        classes: vec![FaultClass::Loss],
        min_percent: 20,
        replay: "sim --seed".to_owned(),
    };
    let report = campaign.run(run);
    let count = |wrong| report.failures().filter(|(_, violation)| violation.kind == wrong).count();
    assert!(
        count(ViolationKind::Crash) > 0
            && count(ViolationKind::Liveness) > 0
            && count(ViolationKind::Safety) == 0,
        "{report}"
    );
    assert!(report.failures().count() < 200);
    assert_eq!(report.exit_code(), ViolationKind::Crash.exit_code());
    assert!(report.missing().eq([FaultClass::Loss]));
    let first = report.failures().next().unwrap().0.seed;
    let text = report.to_string();
    assert_eq!(text.lines().last(), Some(format!("sim --seed {first}").as_str()));
    assert!(report.runs.iter().map(|run| run.seed).eq(0..200));
}

#[test]
fn a_kind_that_did_not_happen_fails_a_campaign() {
    let campaign = Campaign {
        seeds: 0..3,
        threads: 1,
        classes: vec![FaultClass::Loss],
        min_percent: 20,
        replay: String::new(),
    };
    let report = campaign.run(|seed| Run {
        seed,
        trace: 0,
        tally: FaultCounts::default(),
        events: 0,
        time: Time::ZERO,
        outcome: Ok(()),
    });
    assert_eq!((report.is_good(), report.exit_code()), (false, 2));
    assert!(report.to_string().contains("too few"));
}
