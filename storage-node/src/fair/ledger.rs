//! Whose bytes leave a stage when it has come to a place in the log.

use std::collections::VecDeque;

use firn_protocol::ids::InstanceId;
use rustc_hash::FxHashMap;

use super::stage::Stage;
use crate::log::Lsn;

/// Bytes by place, in order. Places that have few are put together with those
/// behind them, so that what it takes is bounded by what the stage holds.
#[derive(Debug)]
pub struct Ledger {
    page_bytes: u64,
    pages: VecDeque<Page>,
}

#[derive(Debug)]
struct Page {
    upto: Lsn,
    bytes: u64,
    own: FxHashMap<InstanceId, u64>,
}

impl Ledger {
    /// A ledger with a page for at least so many bytes.
    #[must_use]
    pub fn new(page_bytes: u64) -> Self {
        Self {
            page_bytes,
            pages: VecDeque::new(),
        }
    }

    /// Notes whose bytes leave once the stage has everything before `upto`, which
    /// never falls.
    pub fn note(&mut self, upto: Lsn, own: impl IntoIterator<Item = (InstanceId, u64)>) {
        for (instance, bytes) in own {
            let page = match self.pages.back_mut() {
                Some(page) if page.upto == upto || page.bytes < self.page_bytes => page,
                Some(_) | None => {
                    self.pages.push_back(Page {
                        upto,
                        bytes: 0,
                        own: FxHashMap::default(),
                    });
                    let last = self.pages.len() - 1;
                    &mut self.pages[last]
                }
            };
            page.upto = upto;
            page.bytes += bytes;
            *page.own.entry(instance).or_default() += bytes;
        }
    }

    /// The stage has everything before `upto`.
    pub fn settle(&mut self, upto: Lsn, stage: &mut Stage) {
        while let Some(page) = self.pages.pop_front_if(|page| page.upto <= upto) {
            for (instance, bytes) in page.own {
                stage.take(instance, bytes);
            }
        }
    }

    /// Puts what is noted, and nothing else, into the stage.
    pub fn restore(&self, stage: &mut Stage) {
        stage.clear();
        for (&instance, &bytes) in self.pages.iter().flat_map(|page| &page.own) {
            stage.put(instance, bytes);
        }
    }

    /// Lets everything leave.
    pub fn clear(&mut self, stage: &mut Stage) {
        self.pages.clear();
        stage.clear();
    }

    #[cfg(test)]
    pub(super) fn pages(&self) -> usize {
        self.pages.len()
    }
}
