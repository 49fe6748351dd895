//! Cache of values computed from statics, keyed by their address.

use std::sync::{Mutex, OnceLock};

/// A table of what was computed of callsites, names and other `'static` things.
///
/// It is read without a lock and never grows: each thing has a few places, and is computed each time if others have
/// taken them.
#[derive(Debug)]
pub(crate) struct StaticCache<T> {
    slots: Box<[Slot<T>]>,
    /// Held while a slot is filled.
    filling: Mutex<()>,
}

type Slot<T> = OnceLock<(Key, T)>;

/// Address and length. Texts that share their beginning share the address.
type Key = (usize, usize);

impl<T> Default for StaticCache<T> {
    fn default() -> Self {
        Self { slots: (0..SLOTS).map(|_| OnceLock::new()).collect(), filling: Mutex::new(()) }
    }
}

impl<T> StaticCache<T> {
    /// Returns what `compute` returned for this text, or `None` if its places are taken.
    #[inline(always)]
    pub(crate) fn for_text(&self, text: &'static str, compute: impl FnOnce() -> T) -> Option<&T> {
        self.get((text.as_ptr().addr(), text.len()), compute)
    }

    /// Returns what `compute` returned for this value, or `None` if its places are taken.
    #[inline]
    pub(crate) fn for_value<V>(&self, value: &'static V, compute: impl FnOnce() -> T) -> Option<&T> {
        self.get(((&raw const *value).addr(), 0), compute)
    }

    #[inline(always)]
    fn get(&self, key: Key, compute: impl FnOnce() -> T) -> Option<&T> {
        let first = key.0.wrapping_mul(MULTIPLIER) >> (usize::BITS - SLOTS.ilog2());
        for place in first..first + PLACES {
            let slot = &self.slots[place % SLOTS];
            match slot.get() {
                Some((known, value)) if *known == key => return Some(value),
                Some(_) => {}
                None => return self.fill(slot, key, compute),
            }
        }
        None
    }

    #[cold]
    fn fill<'a>(&'a self, slot: &'a Slot<T>, key: Key, compute: impl FnOnce() -> T) -> Option<&'a T> {
        // Another thread may hold it, which in a forked child does not exist: the caller does not wait.
        let _filling = self.filling.try_lock().ok()?;
        let (known, value) = slot.get_or_init(|| (key, compute()));
        (*known == key).then_some(value)
    }
}

/// Enough for the callsites that a program uses all the time.
const SLOTS: usize = 256;
/// Places of one thing.
const PLACES: usize = 4;
/// Spreads addresses that lie next to each other.
const MULTIPLIER: usize = 0x9e37_79b9_7f4a_7c15_u64 as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_has_its_own_value_or_none() {
        static TEXT: &str = "abcdefgh";
        let cache = StaticCache::default();
        let mut found = 0;
        for _ in 0..2 {
            for length in 0..TEXT.len() {
                let text = &TEXT[..length];
                if let Some(value) = cache.for_text(text, || text.to_owned()) {
                    assert_eq!(value, text);
                    found += 1;
                }
            }
        }
        assert_eq!(found, 2 * PLACES, "they share their places");
    }

    #[test]
    fn a_few_callsites_have_a_place_each() {
        static VALUES: [u64; 32] = [0; 32];
        let cache = StaticCache::default();
        let found = VALUES.iter().filter(|value| cache.for_value(*value, || ()).is_some()).count();
        assert_eq!(found, VALUES.len());
    }
}
