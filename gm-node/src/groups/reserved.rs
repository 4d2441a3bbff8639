//! The one name that no group has: in messages of anti-entropy it stands for all groups that two
//! nodes share.

use gm_data::GroupName;

/// U+10FFFF, a noncharacter of Unicode.
const RESERVED: &str = "\u{10ffff}";

/// The name that stands for all groups that two nodes share.
pub(crate) fn reserved_name() -> GroupName {
    // It is neither empty, nor too long, nor a control character.
    GroupName::new(RESERVED).unwrap_or_else(|_| unreachable!())
}

/// Whether a name stands for all groups, and so is no group's.
pub(crate) fn is_reserved(name: &GroupName) -> bool {
    name.as_str() == RESERVED
}
