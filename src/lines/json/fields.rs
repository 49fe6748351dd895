//! Encoded fields, and how two sets of them become one without a key twice.
//!
//! # Keys
//!
//! | case | result |
//! |---|---|
//! | a key twice in one event | the later value replaces the earlier one |
//! | a key of an event and of a span | the event's |
//! | a key that the line or the backend owns | renamed, `field.key` |
//! | `a` and `a.b`, where dots unfold | one of them renamed, since one object cannot be a value as well |
//! | two keys that are renamed alike, where dots unfold | the second gets a further underscore |
//!
//! If dotted keys are unfolded, a renamed field still is treated as one with the requested key: it is replaced by a
//! later one of that key, and an event's replaces a span's. Elsewhere a field that is called `field.key` is the same
//! as a renamed `key`.
//!
//! Keys are compared as they stand in the text, escaped: equal keys have equal escapes.
//!
//! # Invariants
//!
//! `marks` are in the order of the text and cover it without gaps. A mark is pushed when its key has been written; its
//! value is whatever is appended until the next mark. `keys` has at least the bits of all keys: bits of removed fields
//! stay.

use std::ops::Range;

use super::encode;
use super::reserved::{Reserved, bit, hash, renamed};
use super::shape::Shape;

/// Fields as text, `,"key":value,"key":value`, with the position of each.
///
/// Each field of each line is checked for a key that is there already. A 64-bit set of key hashes answers "surely
/// not" nearly always; only then are keys compared, and never is JSON read again.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields {
    /// All fields, each with its comma first.
    text: Vec<u8>,
    /// The positions of the fields in `text`.
    marks: Vec<Mark>,
    /// One bit for each key, by its hash.
    keys: u64,
    /// `true` if dotted keys are unfolded and there is one: then a key can also collide with its parents and members.
    dotted: bool,
    /// The fields that have another key than was requested, where dots unfold. Some may have been removed.
    renames: Vec<Rename>,
    /// So many at the beginning are the line's own: a key that the program requests does not mean them.
    own: usize,
}

/// A key that a field has in place of the requested one.
#[derive(Clone, Debug)]
struct Rename {
    /// Escaped, as it stands in the text.
    key: Box<[u8]>,
    /// Escaped.
    requested: Box<[u8]>,
}

/// The start of a field (at its comma) and the end of its key. The field ends where the next one starts.
#[derive(Clone, Copy, Debug)]
struct Mark {
    /// The hash of the escaped key.
    hash: u64,
    /// Place of the comma, in bytes.
    start: usize,
    /// Place of the closing quote of the key.
    key_end: usize,
}

/// A key as it stands in every line, because nothing of a line can change it.
#[derive(Debug)]
pub(super) struct KnownKey {
    /// `,"key":`
    text: Box<[u8]>,
    /// The hash of the key, computed once.
    hash: u64,
}

impl KnownKey {
    /// Renders a key; `None` for one that is empty or renamed, or may have to be.
    pub(super) fn new(key: &str, reserved: &Reserved) -> Option<Self> {
        let mut fields = Fields::default();
        let hash = fields.write_key(key);
        let is_fixed =
            !key.is_empty() && !reserved.unfolds() && !fields.is_refused(hash, 0, Shape::Other, reserved);
        is_fixed.then(|| Self { text: fields.text.into(), hash })
    }
}

impl Fields {
    /// Removes all fields and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.text.clear();
        self.marks.clear();
        self.keys = 0;
        self.dotted = false;
        self.renames.clear();
        self.own = 0;
    }

    /// `,"key":value,…`
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// The keys as they stand in the text.
    pub(super) fn keys(&self) -> impl Iterator<Item = &[u8]> {
        self.marks.iter().map(|mark| self.key(mark))
    }

    /// The keys and the values as they stand in the text; a value with the quote of its key and the colon before it.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.keys().enumerate().map(|(index, key)| (key, self.value(index)))
    }

    /// The memory that is kept when the fields are cleared, in bytes.
    pub(super) fn capacity(&self) -> usize {
        self.text.capacity() + self.marks.capacity() * size_of::<Mark>()
    }

    /// Returns `true` if there is a field of this key, in which nothing needs an escape.
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.contains(hash(key.as_bytes()), key.as_bytes())
    }

    /// Makes the fields that are there the line's own.
    pub(super) fn make_own(&mut self) {
        self.own = self.marks.len();
    }

    /// Writes `,"key":` and returns the place for the value. A field of the same key that is there is replaced.
    pub(super) fn begin(&mut self, key: &str, reserved: &Reserved) -> &mut Vec<u8> {
        self.begin_shaped(key, Shape::Other, reserved)
    }

    /// The same for a value of a known shape: some keys are open to some values only.
    pub(super) fn begin_shaped(&mut self, key: &str, shape: Shape<'_>, reserved: &Reserved) -> &mut Vec<u8> {
        let mut start = self.text.len();
        let mut hash = self.write_key(&reserved.unfoldable(key));
        if !self.renames.is_empty() {
            start = self.remove_requested(start);
        }
        if self.is_refused(hash, start, shape, reserved) || self.is_rename_of_another(hash, start) {
            (hash, start) = self.rename_last(start, shape, reserved);
        }
        let key_end = self.text.len() - 2;
        self.dotted |= reserved.unfolds() && self.text[start + 2..key_end].contains(&b'.');
        self.push_mark(hash, start)
    }

    /// Writes a key that was rendered before, and returns the place for the value. A field of the same key that is there is
    /// replaced.
    #[inline]
    pub(super) fn begin_known(&mut self, key: &KnownKey) -> &mut Vec<u8> {
        let start = self.text.len();
        self.text.extend_from_slice(&key.text);
        self.push_mark(key.hash, start)
    }

    /// Notes the field whose key was just written at the end, and returns the place for its value. A field of the same key
    /// that is there is removed.
    #[inline]
    fn push_mark(&mut self, hash: u64, start: usize) -> &mut Vec<u8> {
        let key_end = self.text.len() - 2;
        let start =
            if self.keys & bit(hash) == 0 { start } else { self.remove_earlier(hash, start, key_end) };
        self.keys |= bit(hash);
        self.marks.push(Mark { hash, start, key_end: self.text.len() - 2 });
        &mut self.text
    }

    /// Renames the key that was just written at the end, and returns its hash and its place.
    /// Tries prefixes until one is free, which ends: the number of keys of a line is finite.
    #[cold]
    fn rename_last(&mut self, start: usize, shape: Shape<'_>, reserved: &Reserved) -> (u64, usize) {
        let start = if reserved.unfolds() { self.remove_requested(start) } else { start };
        let key = self.text[start + 2..self.text.len() - 2].to_vec();
        let mut attempt = 0;
        loop {
            attempt += 1;
            self.text.truncate(start + 2);
            self.text.extend_from_slice(&renamed(&key, attempt, reserved.unfolds()));
            let hash = hash(&self.text[start + 2..]);
            self.text.extend_from_slice(b"\":");
            let new = &self.text[start + 2..self.text.len() - 2];
            if self.is_refused(hash, start, shape, reserved) {
                continue;
            }
            if !reserved.unfolds() {
                return (hash, start);
            }
            if !self.contains(hash, new) {
                self.renames.push(Rename { key: new.into(), requested: key.into() });
                return (hash, start);
            }
        }
    }

    /// Returns `true` if the key that was just written at the end cannot be used.
    fn is_refused(&self, hash: u64, start: usize, shape: Shape<'_>, reserved: &Reserved) -> bool {
        let key = &self.text[start + 2..self.text.len() - 2];
        reserved.refuses(hash, key, shape) || (reserved.unfolds() && self.is_related(key))
    }

    /// Returns `true` if a renamed field already uses the key at the end of the buffer.
    fn is_rename_of_another(&self, hash: u64, start: usize) -> bool {
        let key = &self.text[start + 2..self.text.len() - 2];
        !self.renames.is_empty() && self.contains(hash, key) && self.requested(key) != key
    }

    /// Returns the key that was requested for the field of this key.
    fn requested<'a>(&'a self, key: &'a [u8]) -> &'a [u8] {
        let rename = self.renames.iter().rfind(|rename| *rename.key == *key);
        rename.map_or(key, |rename| &rename.requested)
    }

    /// Removes a field for which the key was requested that was just written at the end, if it has another one; returns
    /// where the end now begins.
    #[cold]
    fn remove_requested(&mut self, start: usize) -> usize {
        let key = &self.text[start + 2..self.text.len() - 2];
        let requested = |mark: &Mark| self.requested(self.key(mark)) == key;
        let Some(index) = self.marks[self.own..].iter().position(requested) else { return start };
        let index = self.own + index;
        let end = self.marks.get(index + 1).map_or(start, |next| next.start);
        let length = end - self.marks[index].start;
        self.take_out(index, end);
        start - length
    }

    /// Returns `true` if there is a field for which the same key was requested as for one of `others`.
    fn has_requested(&self, others: &Self, mark: &Mark) -> bool {
        let key = others.key(mark);
        if self.renames.is_empty() && others.renames.is_empty() {
            return self.contains(mark.hash, key);
        }
        let requested = others.requested(key);
        self.marks.iter().any(|mark| self.requested(self.key(mark)) == requested)
    }

    /// Returns `true` if `key` is a parent or a member of a key that is there, in a backend that unfolds keys.
    /// Searches all keys, which is why lines without dotted keys skip it.
    pub(super) fn is_related(&self, key: &[u8]) -> bool {
        (self.dotted || key.contains(&b'.'))
            && self.marks.iter().any(|mark| is_member(self.key(mark), key) || is_member(key, self.key(mark)))
    }

    /// Returns another key for one of `from`, if it is here for another field, or a parent or a member of a key that is
    /// here. It is related to none of `taken` either.
    fn key_apart(&self, key: &[u8], from: &Self, taken: &[Vec<u8>], reserved: &Reserved) -> Option<Vec<u8>> {
        let is_here = self.contains(hash(key), key);
        if !is_here && (!self.dotted && !from.dotted || !self.is_related(key)) {
            return None;
        }
        let is_free = |key: &Vec<u8>| {
            let hash = hash(key);
            !reserved.refuses(hash, key, Shape::Other)
                && !taken.iter().any(|other| key == other || is_member(key, other) || is_member(other, key))
                && [self, from].iter().all(|fields| !fields.contains(hash, key) && !fields.is_related(key))
        };
        (1..).map(|attempt| renamed(key, attempt, reserved.unfolds())).find(is_free)
    }

    /// Adds the fields whose keys are not there yet. Fields that must be renamed take no reserved key.
    pub(super) fn add_missing(&mut self, others: &Self, reserved: &Reserved) {
        if self.is_apart_from(others) {
            return self.add_all(others);
        }
        for (index, mark) in others.marks.iter().enumerate() {
            if !self.has_requested(others, mark) {
                self.push(others, index, *mark, reserved);
            }
        }
    }

    /// Appends to `out` the text of the fields whose keys are not in `others`.
    pub(super) fn write_missing_in(&self, others: &Self, reserved: &Reserved, out: &mut Vec<u8>) {
        if self.is_apart_from(others) {
            out.extend_from_slice(&self.text);
            return;
        }
        let mut taken = Vec::new();
        for (index, mark) in self.marks.iter().enumerate() {
            if !others.has_requested(self, mark) {
                let renamed = others.key_apart(self.key(mark), self, &taken, reserved);
                write_field(out, renamed.as_deref().unwrap_or(self.key(mark)), self.value(index));
                taken.extend(renamed);
            }
        }
    }

    /// Returns `true` if no field here has the key of one of the others, which a set of bits may already tell.
    #[inline]
    fn is_apart_from(&self, others: &Self) -> bool {
        let is_dotted = self.dotted || others.dotted;
        let is_renamed = !self.renames.is_empty() || !others.renames.is_empty();
        self.keys & others.keys == 0 && !is_dotted && !is_renamed
    }

    /// Adds fields that are apart from those that are there.
    fn add_all(&mut self, others: &Self) {
        let shift = self.text.len();
        self.text.extend_from_slice(&others.text);
        let moved =
            |mark: &Mark| Mark { hash: mark.hash, start: mark.start + shift, key_end: mark.key_end + shift };
        self.marks.extend(others.marks.iter().map(moved));
        self.keys |= others.keys;
    }

    /// Writes `,"key":` and returns the hash of the escaped key.
    fn write_key(&mut self, key: &str) -> u64 {
        self.text.extend_from_slice(b",\"");
        let start = self.text.len();
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

    /// Removes a field and moves those after it.
    fn take_out(&mut self, index: usize, end: usize) {
        let start = self.marks[index].start;
        self.text.drain(start..end);
        self.marks.remove(index);
        self.own -= usize::from(index < self.own);
        for mark in &mut self.marks[index..] {
            mark.start -= end - start;
            mark.key_end -= end - start;
        }
    }

    /// Appends a field of another set, under another key if it is related to one that is here.
    fn push(&mut self, from: &Self, index: usize, mark: Mark, reserved: &Reserved) {
        let start = self.text.len();
        let key = from.key(&mark);
        let new = self.key_apart(key, from, &[], reserved);
        let requested = from.requested(key);
        let own = new.as_deref().unwrap_or(key);
        if requested != own {
            self.renames.push(Rename { key: own.into(), requested: requested.into() });
        }
        let (hash, key_end) = match new {
            None => {
                self.text.extend_from_slice(&from.text[from.range(index)]);
                (mark.hash, start + mark.key_end - mark.start)
            }
            Some(key) => {
                write_field(&mut self.text, &key, from.value(index));
                (hash(&key), start + 2 + key.len())
            }
        };
        self.marks.push(Mark { hash, start, key_end });
        self.keys |= bit(hash);
        self.dotted |= from.dotted;
    }

    /// The value of a field, with the quote of its key and the colon before it.
    fn value(&self, index: usize) -> &[u8] {
        &self.text[self.marks[index].key_end..self.range(index).end]
    }

    /// Returns `true` if there is a field of this key.
    pub(super) fn contains(&self, hash: u64, key: &[u8]) -> bool {
        self.keys & bit(hash) != 0 && self.position(hash, key).is_some()
    }

    /// Returns which field has this key.
    fn position(&self, hash: u64, key: &[u8]) -> Option<usize> {
        self.marks.iter().position(|mark| mark.hash == hash && self.key(mark) == key)
    }

    /// The key as it stands in the text: escaped, without its quotes.
    fn key(&self, mark: &Mark) -> &[u8] {
        &self.text[mark.start + 2..mark.key_end]
    }

    /// Returns the part of the text that is a field, with its comma.
    fn range(&self, index: usize) -> Range<usize> {
        let end = self.marks.get(index + 1).map_or(self.text.len(), |next| next.start);
        self.marks[index].start..end
    }
}

/// Writes a field from its parts, see [`Fields::iter`].
pub(super) fn write_field(out: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    out.extend_from_slice(b",\"");
    out.extend_from_slice(key);
    out.extend_from_slice(value);
}

/// Returns `true` for `a.b` and `a`.
pub(super) fn is_member(key: &[u8], of: &[u8]) -> bool {
    key.strip_prefix(of).is_some_and(|rest| rest.starts_with(b"."))
}

#[cfg(test)]
mod tests;
