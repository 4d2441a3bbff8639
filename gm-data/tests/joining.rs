//! Repeated joining and leaving of a group.

mod common;

use common::{FIRST, NOW, assert_same, empty_replica, id, own_items, range, serve, serves, version};

#[test]
fn joining_and_leaving() {
    let mut replica = empty_replica();
    assert!(replica.join(&[], NOW).expect("a valid join").changed);
    assert_eq!(own_items(&replica), ["0x00000000-0xffffffff get :0 x1 @1"]);
    let before = replica.clone();
    assert!(!replica.join(&[], NOW).expect("a valid join").changed);
    assert_same(&before, &replica);

    // Named ranges are joined once, and served ranges stay served.
    replica.change(&[serve("0-9")], NOW).expect("sound");
    assert!(
        replica.join(&[range("0-9"), range("10-19"), range("10-19")], NOW).expect("a valid join").changed
    );
    assert_eq!(replica.own_record().expect("written").item_counts(), (3, 3));
    assert_eq!(replica.own_record().expect("written").get(range("0-9")), Some(serves(id(1), "0-9", 2)));
    let before = replica.clone();
    assert!(!replica.join(&[range("0-9"), range("10-19")], NOW).expect("a valid join").changed);
    assert_same(&before, &replica);

    let write = replica.leave(NOW).expect("a member may leave");
    assert_eq!(write.version, version(FIRST, 4));
    assert_eq!(write.increment.expect("an increment").items().len(), 3);
    assert!(!replica.is_member());
    assert_eq!(replica.own_record().expect("it is kept").item_counts(), (0, 3));
    // A later join continues incarnation and clock, and joins only the named ranges.
    assert_eq!(replica.join(&[range("10-19")], NOW).expect("a valid join").version, version(FIRST, 5));
    assert_eq!(replica.own_record().expect("written").item_counts(), (1, 3));

    let mut named = empty_replica();
    named.join(&[range("0-9"), range("20-29")], NOW).expect("a valid join");
    assert_eq!(
        own_items(&named),
        ["0x00000000-0x00000009 get :0 x1 @1", "0x00000014-0x0000001d get :0 x1 @1"]
    );
}
