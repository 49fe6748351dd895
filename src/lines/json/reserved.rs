//! Keys that fields of the program may not take, and those that they may take in one form only.
//!
//! For example, with the names of the Elastic Common Schema:
//!
//! | field | becomes | because |
//! |---|---|---|
//! | `http = "GET"` | `field.http` | `http` is an object |
//! | `http.request.method = "GET"` | the same | members of objects are free |
//! | `message.text = "x"` | `field.message_text` | `message` is a value, and has no members |
//! | `client.ip = "unknown"` | `field.client_ip` | the field holds addresses only |
//! | `source.port.name = "x"` | `field.source_port_name` | `source.port` is a number, and has no members |

use std::borrow::Cow;

use super::encode;
use super::owned_names::OwnedNames;
use super::shape::{Role, Shape};

/// The reserved keys: those of the line itself, and the names that the backend owns. A field that may not take its key
/// gets the prefix `field.`.
///
/// Each field of each line is looked up here, so most lookups must end at once: a set of hash bits that is sixteen
/// words wide answers "not reserved" for nearly all of them. It has room for the keys of a line; the many names of a
/// backend have a table of their own.
#[derive(Debug, Default)]
pub(super) struct Reserved {
    /// Those of the line, by hash. Keys are escaped, as they stand in the line.
    keys: Vec<(u64, Box<[u8]>, Role)>,
    /// A set of hash bits: 16 words of 64.
    bits: [u64; 16],
    /// Those of the backend, in which a role of `keys` takes precedence.
    owned: Option<&'static OwnedNames>,
    /// Dotted keys become objects.
    unfolds: bool,
}

impl Reserved {
    /// Returns an empty set, for a backend in which `a.b` is the member `b` of `a` if `unfolds`.
    pub(super) fn new(unfolds: bool) -> Self {
        Self { unfolds, ..Self::default() }
    }

    /// Reserves the names that a backend owns, as far as no role of theirs is reserved already.
    pub(super) fn add_owned(&mut self, names: &'static OwnedNames) {
        self.owned = Some(names);
    }

    /// Returns `true` if dotted keys become objects.
    pub(super) fn unfolds(&self) -> bool {
        self.unfolds
    }

    /// Reserves `key`; returns `false` when it was reserved before.
    pub(super) fn insert(&mut self, key: &str, role: Role) -> bool {
        let mut text = Vec::new();
        encode::escaped(&mut text, key);
        self.insert_escaped(&text, role)
    }

    /// Reserves a key as it stands in the line; the first role of a key stays.
    fn insert_escaped(&mut self, key: &[u8], role: Role) -> bool {
        let hash = hash(key);
        if self.role_in_line(hash, key).is_some() {
            return false;
        }
        self.bits[word(hash)] |= bit(hash);
        let index = self.keys.partition_point(|(other, ..)| *other < hash);
        self.keys.insert(index, (hash, key.into(), role));
        true
    }

    /// Reserves `key` for a value of this crate's own, or another key if it is taken or `is_refused`; returns that key,
    /// escaped.
    pub(super) fn take(&mut self, key: &str, is_refused: bool) -> Vec<u8> {
        let mut escaped = Vec::new();
        encode::escaped(&mut escaped, &self.unfoldable(key));
        let mut taken = escaped.clone();
        let mut attempt = 0;
        while (is_refused && attempt == 0) || self.refuses(hash(&taken), &taken, Shape::Other) {
            attempt += 1;
            taken = renamed(&escaped, attempt, self.unfolds);
        }
        self.insert_with_parents(&taken);
        taken
    }

    /// Reserves an escaped key for a value; where keys are unfolded, `a.b` makes an object of `a`.
    pub(super) fn insert_with_parents(&mut self, key: &[u8]) {
        self.insert_escaped(key, Role::Owned);
        let dots = key.iter().enumerate().filter(|(_, byte)| **byte == b'.' && self.unfolds);
        for dot in dots.map(|(dot, _)| dot).collect::<Vec<_>>() {
            self.insert_escaped(&key[..dot], Role::Object);
        }
    }

    /// Returns `true` if a value of this shape cannot have this key.
    pub(super) fn refuses(&self, hash: u64, key: &[u8], shape: Shape<'_>) -> bool {
        self.role(hash, key).is_some_and(|role| !role.admits(shape))
            || (self.unfolds && self.is_member_of_value(key))
    }

    /// Returns `true` if a part of a dotted key is reserved for a value, which has no members.
    fn is_member_of_value(&self, key: &[u8]) -> bool {
        let dots = key.iter().enumerate().filter(|(_, byte)| **byte == b'.').map(|(index, _)| index);
        dots.map(|dot| &key[..dot])
            .any(|parent| self.role(hash(parent), parent).is_some_and(|role| role != Role::Object))
    }

    /// Returns the role of a key, or `None` if it is free.
    fn role(&self, hash: u64, key: &[u8]) -> Option<Role> {
        self.role_in_line(hash, key).or_else(|| self.owned?.role(hash, key))
    }

    /// Returns the role that a key has in lines beside that in the backend.
    fn role_in_line(&self, hash: u64, key: &[u8]) -> Option<Role> {
        if self.bits[word(hash)] & bit(hash) == 0 {
            return None;
        }
        let start = self.keys.partition_point(|(other, ..)| *other < hash);
        let same = self.keys[start..].iter().take_while(|(other, ..)| *other == hash);
        same.into_iter().find(|(_, reserved, _)| **reserved == *key).map(|(_, _, role)| *role)
    }

    /// Returns a key that can be unfolded: without empty parts, and not deeper than Elasticsearch allows.
    pub(super) fn unfoldable<'a>(&self, key: &'a str) -> Cow<'a, str> {
        let is_blank = |part: &str| part.trim().is_empty();
        if !self.unfolds || (!key.split('.').any(is_blank) && key.split('.').count() <= MAX_DEPTH) {
            return Cow::Borrowed(key);
        }
        match key.trim() {
            "" => "_".into(),
            _ => key.replace('.', "_").into(),
        }
    }
}

/// Cheap rather than good: equal hashes are followed by a comparison of the keys.
pub(super) fn hash(key: &[u8]) -> u64 {
    /// 2⁶⁴ divided by the golden ratio, as in Fibonacci hashing.
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let (first, last) = match (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        (Some(first), Some(last)) => (u64::from_le_bytes(*first), u64::from_le_bytes(*last)),
        _ => (key.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0),
    };
    let mixed = (first ^ last.rotate_left(29) ^ key.len() as u64).wrapping_mul(MULTIPLIER);
    mixed ^ mixed >> 32
}

/// Returns the bit of a hash within a word.
pub(super) fn bit(hash: u64) -> u64 {
    1 << (hash & 63)
}

/// Returns the index of the word in which a hash has its bit.
fn word(hash: u64) -> usize {
    (hash >> 6 & 15) as usize
}

/// Returns another key for one that is refused, both escaped. `attempt` counts from one.
///
/// Each gets one more prefix. Where keys are unfolded, the new key is a direct member of `field`, with underscores for
/// its dots, and later attempts get further underscores: below a value at `field.a` there is no room for `field.a.b`,
/// neither in this line nor in other lines of the same index.
pub(super) fn renamed(key: &[u8], attempt: usize, unfolds: bool) -> Vec<u8> {
    let prefix = COLLISION_PREFIX.as_bytes();
    if !unfolds {
        return [&prefix.repeat(attempt), key].concat();
    }
    let key = key.strip_prefix(prefix).unwrap_or(key);
    let flat: Vec<u8> = key.iter().map(|&byte| if byte == b'.' { b'_' } else { byte }).collect();
    [prefix, &flat, "_".repeat(attempt - 1).as_bytes()].concat()
}

/// The prefix for keys that collide with a reserved one.
const COLLISION_PREFIX: &str = "field.";

/// Parts of a dotted key. Elasticsearch allows objects twenty deep; prefixes need some of them.
const MAX_DEPTH: usize = 15;
