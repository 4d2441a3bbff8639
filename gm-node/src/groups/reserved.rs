//! The reserved name: in anti-entropy messages it stands for all groups that two nodes share.

use gm_data::GroupName;

/// U+10FFFF, a Unicode noncharacter.
const RESERVED: &str = "\u{10ffff}";

/// The reserved name, for all groups that two nodes share.
pub(crate) fn reserved_name() -> GroupName {
    // The name is not empty, not too long, and no control character.
    GroupName::new(RESERVED).unwrap_or_else(|_| unreachable!())
}

/// Whether a name is the reserved one, and so not a group's.
pub(crate) fn is_reserved(name: &GroupName) -> bool {
    name.as_str() == RESERVED
}
