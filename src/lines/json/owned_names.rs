//! The names that a backend gives a meaning to.

use std::collections::BTreeMap;

use super::reserved::hash;
use super::shape::Role;

/// Names with their roles, found by their hash.
///
/// Each field of each line is looked up here, and most have a name that the backend does not know, so a lookup
/// usually reads one empty slot.
#[derive(Debug)]
pub(super) struct OwnedNames {
    names: Box<[(&'static str, Role)]>,
    /// The place of a name in `names` plus one, or zero, at the name's hash or behind it. At most a quarter is in use.
    slots: Box<[u16]>,
}

impl OwnedNames {
    /// Makes the table; the first role of a name counts. If dotted names are unfolded, those around a name are objects
    /// unless they are listed themselves.
    pub(super) fn new(unfolds: bool, names: impl IntoIterator<Item = (&'static str, Role)>) -> Self {
        let mut roles = BTreeMap::new();
        for (name, role) in names {
            roles.entry(name).or_insert(role);
        }
        if unfolds {
            for parent in roles.keys().copied().flat_map(around).collect::<Vec<_>>() {
                roles.entry(parent).or_insert(Role::Object);
            }
        }
        Self::from_roles(roles.into_iter().collect())
    }

    fn from_roles(names: Box<[(&'static str, Role)]>) -> Self {
        let mut slots = vec![0; (4 * names.len()).next_power_of_two()];
        for (place, (name, _)) in (1..).zip(&names) {
            let mut slot = first_slot(hash(name.as_bytes()), slots.len());
            while slots[slot] != 0 {
                slot = (slot + 1) % slots.len();
            }
            slots[slot] = place;
        }
        Self { names, slots: slots.into() }
    }

    /// Returns the role of a name, or `None` if the backend does not know it. `hash` is that of the name.
    #[inline]
    pub(super) fn role(&self, hash: u64, name: &[u8]) -> Option<Role> {
        let mut slot = first_slot(hash, self.slots.len());
        loop {
            let place = usize::from(self.slots[slot]).checked_sub(1)?;
            let (known, role) = self.names[place];
            if known.as_bytes() == name {
                return Some(role);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
    }
}

/// Returns `a` and `a.b` for `a.b.c`.
fn around(name: &'static str) -> impl Iterator<Item = &'static str> {
    name.match_indices('.').map(|(dot, _)| &name[..dot])
}

/// Returns where the search for a hash begins. `slots` is a power of two.
fn first_slot(hash: u64, slots: usize) -> usize {
    hash as usize & (slots - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_and_what_is_around_it_is_found() {
        let listed =
            [("a.b.c", Role::Integer), ("a.b.c", Role::Text), ("d", Role::Owned), ("d.e", Role::Date)];
        let names = OwnedNames::new(true, listed);
        let role = |name: &str| names.role(hash(name.as_bytes()), name.as_bytes());
        assert_eq!(["a", "a.b", "d.e"].map(role), [Role::Object, Role::Object, Role::Date].map(Some));
        assert_eq!(["a.b.c", "d"].map(role), [Role::Integer, Role::Owned].map(Some), "the first role counts");
        assert_eq!(["", "b", "a.b.c.d", "a.b.", "e"].map(role), [None; 5]);
        assert_eq!(OwnedNames::new(true, []).role(0, b""), None);
    }
}
