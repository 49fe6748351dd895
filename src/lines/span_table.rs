//! State of the open spans of one subscriber, by their ids.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::{Arc, MutexGuard};

use tracing_core::span;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::export::own_threads::ForkMutex;

/// Finds the value that belongs to an open span.
///
/// It is not kept in the span's extensions: their lock can be held by another layer, by this very thread, and is
/// poisoned when that layer panics. The locks here are held for one lookup, never while other code runs.
#[derive(Debug)]
pub(crate) struct SpanTable<T> {
    /// Shards, selected by the mixed bits of the id: threads that work on different spans seldom use the same one.
    shards: Box<[Shard<T>; SHARDS]>,
}

/// A part of the table. In a forked child its lock is free, whatever thread of the parent held it.
type Shard<T> = ForkMutex<Spans<T>>;

/// The open spans of a shard. The first few are found without a hash.
#[derive(Debug)]
struct Spans<T> {
    few: [Option<(u64, Arc<T>)>; FEW],
    others: HashMap<u64, Arc<T>, BuildHasherDefault<IdHasher>>,
}

impl<T> SpanTable<T> {
    /// Creates an empty table.
    pub(crate) fn new() -> Self {
        Self { shards: Box::new(std::array::from_fn(|_| Shard::default())) }
    }

    /// Stores the value of a new span.
    #[inline(always)]
    pub(crate) fn insert(&self, id: &span::Id, state: Arc<T>) {
        let replaced = self.shard(id).insert(id.into_u64(), state);
        // Dropped without the lock.
        drop(replaced);
    }

    /// Returns the value of an open span.
    #[inline]
    pub(crate) fn get(&self, id: &span::Id) -> Option<Arc<T>> {
        self.shard(id).get(id.into_u64()).cloned()
    }

    /// Removes the value of a span that was closed.
    #[inline(always)]
    pub(crate) fn remove(&self, id: &span::Id) -> Option<Arc<T>> {
        self.shard(id).remove(id.into_u64())
    }

    /// The value of a span, or of the nearest span around it that has one.
    pub(crate) fn nearest<'a, S: LookupSpan<'a>>(&self, span: &SpanRef<'a, S>) -> Option<Arc<T>> {
        span.scope().find_map(|span| self.get(&span.id()))
    }

    /// Counts the open spans for which `matches` returns `true`. It may lock them: the table is not locked meanwhile.
    pub(crate) fn count(&self, matches: impl Fn(&T) -> bool) -> u64 {
        let matching = |shard: &Shard<T>| {
            let states: Vec<_> = shard.lock().values().cloned().collect();
            states.iter().filter(|state| matches(state)).count() as u64
        };
        self.shards.iter().map(matching).sum()
    }

    /// Locks the shard of an id.
    #[inline]
    fn shard(&self, id: &span::Id) -> MutexGuard<'_, Spans<T>> {
        // The highest bits of the product are the best mixed ones.
        let shard = mix(id.into_u64()) >> (u64::BITS - SHARDS.ilog2());
        self.shards[shard as usize].lock()
    }
}

impl<T> Spans<T> {
    /// Stores a value. Returns the one that it replaces.
    #[inline]
    fn insert(&mut self, id: u64, state: Arc<T>) -> Option<Arc<T>> {
        let is_usable =
            |place: &&mut Option<(u64, Arc<T>)>| place.as_ref().is_none_or(|(known, _)| *known == id);
        match self.few.iter_mut().find(is_usable) {
            Some(place) => place.replace((id, state)).map(|(_, state)| state),
            None => self.others.insert(id, state),
        }
    }

    #[inline]
    fn get(&self, id: u64) -> Option<&Arc<T>> {
        let known = self.few.iter().flatten().find(|(known, _)| *known == id);
        known.map(|(_, state)| state).or_else(|| self.others.get(&id))
    }

    #[inline]
    fn remove(&mut self, id: u64) -> Option<Arc<T>> {
        match self.few.iter_mut().find(|place| matches!(place, Some((known, _)) if *known == id)) {
            Some(place) => place.take().map(|(_, state)| state),
            None => self.others.remove(&id),
        }
    }

    fn values(&self) -> impl Iterator<Item = &Arc<T>> {
        self.few.iter().flatten().map(|(_, state)| state).chain(self.others.values())
    }
}

impl<T> Default for Spans<T> {
    fn default() -> Self {
        Self { few: std::array::from_fn(|_| None), others: HashMap::default() }
    }
}

/// Spreads consecutive numbers over all bits.
fn mix(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Ids are unique numbers: mixing their bits is enough.
#[derive(Debug, Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = mix(self.0 ^ id);
    }

    fn finish(&self) -> u64 {
        // The map takes its buckets from the low bits.
        self.0.rotate_left(32)
    }
}

/// As many as a shard has in most programs.
const FEW: usize = 4;
/// A power of two, so a shard is chosen by bits.
const SHARDS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_open_span_is_found_however_many_there_are() {
        let table = SpanTable::new();
        let ids = || (1..=(SHARDS * FEW * 4) as u64).map(span::Id::from_u64);
        ids().for_each(|id| table.insert(&id, Arc::new(id.into_u64())));
        assert!(ids().all(|id| table.get(&id).is_some_and(|value| *value == id.into_u64())));
        ids().filter(|id| id.into_u64() % 3 != 0).for_each(|id| {
            assert_eq!(table.remove(&id).map(|value| *value), Some(id.into_u64()));
            assert!(table.get(&id).is_none() && table.remove(&id).is_none());
        });
        assert_eq!(table.count(|value| value % 3 == 0), ids().count() as u64 / 3);
        // An id that is used again has the newer value.
        ids().for_each(|id| table.insert(&id, Arc::new(0)));
        assert!(ids().all(|id| table.get(&id).is_some_and(|value| *value == 0)));
    }
}
