//! The members of an index by number. Numbers are given out once and never taken back: where
//! records are dropped, the index is made anew.

use alloc::sync::Arc;
use alloc::vec::Vec;

use gm_clock::NetId;

use super::MemberNumber;

/// Members of a page: what is copied at most, when a member is added while a reader holds the
/// index.
const PAGE: usize = 256;

/// Seat -> member. A clone is constant in time; adding a member copies one page at most, and the
/// list of pages.
#[derive(Clone)]
pub(super) struct MemberTable {
    pages: Arc<Vec<Arc<Vec<NetId>>>>,
}

impl MemberTable {
    pub(super) fn new() -> MemberTable {
        MemberTable { pages: Arc::new(Vec::new()) }
    }

    /// The seat of a member that has none yet.
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

    /// The member of a seat that was given out.
    pub(super) fn member(&self, number: MemberNumber) -> NetId {
        let number = number as usize;
        self.pages[number / PAGE][number % PAGE]
    }
}
