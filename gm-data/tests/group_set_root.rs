//! Summands of the groups in the root hash, and the root over selected groups.

mod common;

use common::{NOW, id, name, serve};
use gm_data::GroupSet;

#[test]
fn the_root_is_the_sum_of_the_group_hashes() {
    let mut groups = GroupSet::new(id(1));
    for (group, range) in [("a", "0-9"), ("b", "0-9"), ("c", "10-19")] {
        groups.edit(&name(group), |replica| replica.change(&[serve(range)], NOW)).expect("a sound change");
    }
    let share = |group: &str| groups.group_hash(&name(group));
    assert!(share("a") != share("b") && share("b") != share("c"), "by name, and by what is held");
    assert_eq!(share("d"), 0, "nothing is held of it");
    let sum = |groups: &[&str]| groups.iter().fold(0_u128, |sum, group| sum.wrapping_add(share(group)));
    assert_eq!(groups.root(), sum(&["a", "b", "c"]));
    assert_eq!(groups.root_of(|_| true), groups.root());
    assert_eq!(groups.root_of(|_| false), 0);
    assert_eq!(groups.root_of(|replica| *replica.state().name() != name("b")), sum(&["a", "c"]));
}
