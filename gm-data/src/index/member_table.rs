//! The members of an index by number. Numbers are never reused: when records are dropped, the index
//! is rebuilt.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gm_clock::NetId;

use super::MemberNumber;

/// Number of members per page. At most one page is copied when a member is added while a reader
/// shares the index.
const PAGE: usize = 256;

/// Maps numbers to members. A clone takes constant time; adding a member copies at most one page
/// and the list of pages.
#[derive(Clone)]
pub(super) struct MemberTable {
    pages: Arc<Vec<Arc<Vec<NetId>>>>,
}

impl MemberTable {
    pub(super) fn new() -> MemberTable {
        MemberTable { pages: Arc::new(Vec::new()) }
    }

    /// Assigns the next number to a new member.
    pub(super) fn add(&mut self, member: NetId) -> MemberNumber {
        let pages = Arc::make_mut(&mut self.pages);
        if pages.last().is_none_or(|page| page.len() == PAGE) {
            pages.push(Arc::new(Vec::new()));
        }
        let full = (pages.len() - 1) * PAGE;
        let page = Arc::make_mut(pages.last_mut().expect("a page was pushed"));
        page.push(member);
        MemberNumber::try_from(full + page.len() - 1).expect("fewer members than 2^32 fit into memory")
    }

    /// The member with a number that was assigned.
    pub(super) fn member(&self, number: MemberNumber) -> NetId {
        let number = number as usize;
        self.pages[number / PAGE][number % PAGE]
    }
}
