//! The contents of this run in which no rule found anything, so that copies of them are not scanned again.

use super::place::Words;
use crate::model::Digest;
use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

/// How many are remembered; at some 40 bytes each. Past that, copies are scanned again, which costs time and nothing else.
const MOST: usize = 1_000_000;

/// Content and kind of place.
pub(super) type Key = (Digest, Words);

#[derive(Default)]
pub(super) struct Seen(Mutex<HashSet<Key>>);

impl Seen {
    pub(super) fn holds(&self, key: Key) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(&key)
    }

    pub(super) fn add(&self, key: Key) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() < MOST {
            seen.insert(key);
        }
    }
}
