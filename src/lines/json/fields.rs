//! Encoded fields, and how two sets of them become one without a key twice.

use std::ops::Range;

use super::encode;

/// Fields as text, `,"key":value,"key":value`, and where each of them lies.
///
/// Whether a key is there already is asked for each field of each line. A 64-bit set of key hashes answers "surely
/// not" nearly always; only then are keys compared, and never is JSON read again.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    text: Vec<u8>,
    marks: Vec<Mark>,
    keys: u64,
}

/// Where a field starts (at its comma) and where its key ends. It ends where the next one starts.
#[derive(Clone, Copy, Debug)]
struct Mark {
    hash: u64,
    start: usize,
    key_end: usize,
}

impl Fields {
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.marks.clear();
        self.keys = 0;
    }

    /// `,"key":value,…`
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The keys as they stand in the text.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.marks.iter().map(|mark| self.key(mark))
    }

    pub(super) fn capacity(&self) -> usize {
        self.text.capacity() + self.marks.capacity() * size_of::<Mark>()
    }

    /// Writes `,"key":` and hands out the place for the value. A field of the same key that is there is replaced.
    pub(super) fn begin(&mut self, key: &str, reserved: &Reserved) -> &mut Vec<u8> {
        let start = self.text.len();
        let mut hash = self.write_key(0, key);
        let mut prefixes = 0;
        while reserved.contains(hash, &self.text[start + 2..self.text.len() - 2]) {
            self.text.truncate(start);
            prefixes += 1;
            hash = self.write_key(prefixes, key);
        }
        let key_end = self.text.len() - 2;
        let start =
            if self.keys & bit(hash) == 0 { start } else { self.remove_earlier(hash, start, key_end) };
        self.keys |= bit(hash);
        self.marks.push(Mark { hash, start, key_end: self.text.len() - 2 });
        &mut self.text
    }

    /// Adds the fields whose keys are not there yet.
    pub(super) fn add_missing(&mut self, others: &Self) {
        for (index, mark) in others.marks.iter().enumerate() {
            if !self.contains(mark.hash, others.key(mark)) {
                self.push(others, index, *mark);
            }
        }
    }

    /// Adds all fields, in the place of those with equal keys.
    pub(super) fn replace_with(&mut self, others: &Self) {
        for (index, mark) in others.marks.iter().enumerate() {
            if let Some(old) = self.position(mark.hash, others.key(mark)) {
                self.remove(old);
            }
            self.push(others, index, *mark);
        }
    }

    /// Appends to `out` the text of the fields whose keys are not in `others`.
    pub(super) fn write_missing_in(&self, others: &Self, out: &mut Vec<u8>) {
        if self.keys & others.keys == 0 {
            out.extend_from_slice(&self.text);
            return;
        }
        for (index, mark) in self.marks.iter().enumerate() {
            if !others.contains(mark.hash, self.key(mark)) {
                out.extend_from_slice(&self.text[self.range(index)]);
            }
        }
    }

    /// Replaces the content by `text`, which is copied as a whole and never searched for keys.
    pub(super) fn set_opaque(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        self.clear();
        write(&mut self.text);
    }

    /// Takes over the content of `other` without giving up memory that is there.
    pub(super) fn copy_from(&mut self, other: &Self) {
        self.text.clone_from(&other.text);
        self.marks.clone_from(&other.marks);
        self.keys = other.keys;
    }

    fn write_key(&mut self, prefixes: usize, key: &str) -> u64 {
        self.text.extend_from_slice(b",\"");
        let start = self.text.len();
        (0..prefixes).for_each(|_| self.text.extend_from_slice(COLLISION_PREFIX.as_bytes()));
        encode::escaped(&mut self.text, key);
        let hash = hash(&self.text[start..]);
        self.text.extend_from_slice(b"\":");
        hash
    }

    /// Removes a field with the key that was just written at the end; returns where the end now begins.
    #[cold]
    fn remove_earlier(&mut self, hash: u64, start: usize, key_end: usize) -> usize {
        let key = &self.text[start + 2..key_end];
        let Some(index) = self.position(hash, key) else { return start };
        let end = self.marks.get(index + 1).map_or(start, |next| next.start);
        let length = end - self.marks[index].start;
        self.take_out(index, end);
        start - length
    }

    fn remove(&mut self, index: usize) {
        let end = self.range(index).end;
        self.take_out(index, end);
    }

    fn take_out(&mut self, index: usize, end: usize) {
        let start = self.marks[index].start;
        self.text.drain(start..end);
        self.marks.remove(index);
        for mark in &mut self.marks[index..] {
            mark.start -= end - start;
            mark.key_end -= end - start;
        }
    }

    fn push(&mut self, from: &Self, index: usize, mark: Mark) {
        let start = self.text.len();
        self.text.extend_from_slice(&from.text[from.range(index)]);
        self.marks.push(Mark { hash: mark.hash, start, key_end: start + mark.key_end - mark.start });
        self.keys |= bit(mark.hash);
    }

    fn contains(&self, hash: u64, key: &[u8]) -> bool {
        self.keys & bit(hash) != 0 && self.position(hash, key).is_some()
    }

    fn position(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.marks.iter().position(|mark| mark.hash == hash && self.key(mark) == key)
    }

    /// The key as it stands in the text: escaped, without its quotes.
    fn key(&self, mark: &Mark) -> &[u8] {
        &self.text[mark.start + 2..mark.key_end]
    }

    fn range(&self, index: usize) -> Range<usize> {
        let end = self.marks.get(index + 1).map_or(self.text.len(), |next| next.start);
        self.marks[index].start..end
    }
}

/// Keys that only this crate may write. A field that wants one of them gets the prefix `field.`.
#[derive(Clone, Debug, Default)]
pub(super) struct Reserved {
    /// Escaped, as they stand in the line.
    keys: Vec<Box<[u8]>>,
    hashes: u64,
}

impl Reserved {
    /// Reserves `key`; returns `false` when it was reserved before.
    pub(super) fn insert(&mut self, key: &str) -> bool {
        let mut text = Vec::new();
        encode::escaped(&mut text, key);
        self.insert_escaped(&text)
    }

    /// The same for a key that is escaped already.
    pub(super) fn insert_escaped(&mut self, key: &[u8]) -> bool {
        let hash = hash(key);
        if self.contains(hash, key) {
            return false;
        }
        self.hashes |= bit(hash);
        self.keys.push(key.into());
        true
    }

    fn contains(&self, hash: u64, key: &[u8]) -> bool {
        self.hashes & bit(hash) != 0 && self.keys.iter().any(|reserved| **reserved == *key)
    }
}

impl<'a> FromIterator<&'a str> for Reserved {
    fn from_iter<I: IntoIterator<Item = &'a str>>(keys: I) -> Self {
        let mut reserved = Self::default();
        for key in keys {
            reserved.insert(key);
        }
        reserved
    }
}

/// What makes a key that collides with one of ours its own.
pub(super) const COLLISION_PREFIX: &str = "field.";

/// Cheap rather than good: equal hashes are followed by a comparison of the keys.
fn hash(key: &[u8]) -> u64 {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (key.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0),
    };
    let mixed = (first ^ last.rotate_left(29) ^ key.len() as u64).wrapping_mul(MULTIPLIER);
    mixed ^ mixed >> 32
}

fn bit(hash: u64) -> u64 {
    1 << (hash & 63)
}

#[cfg(test)]
mod tests;
