//! Batches of arbitrary changes, valid or not: a batch is either written as a whole in one tick, or
//! refused without any change.

use std::string::String;
use std::vec::Vec;

use proptest::collection::vec;
use proptest::prelude::*;

use super::runner::{Cases, holds};
use super::world::{RANGES, group, id};
use crate::{Change, Item, KeyRange, Op, Record, Replica, WriteContext};

fn change() -> impl Strategy<Value = Change> {
    let range = || (0..RANGES.len()).prop_map(|at| KeyRange::new(RANGES[at].0, RANGES[at].1).unwrap());
    let port = || prop::option::of(0..3_u16);
    let step = || prop_oneof![0..3_u16, Just(u16::MAX)];
    prop_oneof![
        3 => (range(), port(), step()).prop_map(|(range, port, priority)| Change::Serve { range, port, priority }),
        3 => range().prop_map(Change::Unserve),
        1 => range().prop_map(Change::Interest),
        1 => (range(), step()).prop_map(|(range, priority)| Change::Priority { range, priority }),
        1 => (range(), step(), port()).prop_map(|(range, by, port)| Change::Raise { range, by, port }),
        1 => (range(), step()).prop_map(|(range, by)| Change::Lower { range, by }),
        1 => (range(), 0..2_usize, 0..3_usize).prop_map(|(range, node, op)| {
            let op = [Op::Add, Op::Rmv, Op::Get][op];
            Change::Put(Item::new(id(node), range, op, 1, 1).unwrap())
        }),
    ]
}

fn a_batch_is_written_whole_or_not_at_all(cases: Cases) -> Result<(), String> {
    holds(cases, &vec(vec(change(), 0..5), 1..12), |batches| {
        let mut replica = Replica::new(id(0), group()).with_default_port(80);
        for batch in batches {
            let (before, state) = (replica.own_record().cloned(), replica.state().fingerprint());
            let clock = before.as_ref().map_or(0, |own| own.version().clock);
            let result = replica.change(batch, WriteContext::default());
            let own = replica.own_record();
            let ticks = own.map_or(0, |own| own.version().clock) - clock;
            let good = match &result {
                Err(_) => own == before.as_ref() && replica.state().fingerprint() == state,
                Ok(write) if write.changed => {
                    let stamped = own.into_iter().flat_map(Record::stamped_items);
                    let news: Vec<_> = stamped.filter(|stamped| stamped.stamp > clock).collect();
                    ticks == 1 && own.is_some_and(Record::is_member) && !news.is_empty()
                }
                Ok(_) => ticks == 0 && own == before.as_ref(),
            };
            if !good {
                return Err(format!("{batch:?} of {before:?} gave {result:?} and left {own:?}"));
            }
        }
        Ok(())
    })
}

#[test]
fn batches() {
    a_batch_is_written_whole_or_not_at_all(Cases(3_000)).unwrap();
}
