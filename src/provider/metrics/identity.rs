//! The identity of instruments: what they are created with, compared for each name.
//!
//! The SDK aggregates instruments of one name and scope into one stream if they agree, and exports two streams of one
//! name if they do not, which backends refuse or mix. The second of them is therefore reported when it is created.
//!
//! | differs | after the warning |
//! |---|---|
//! | kind, number type or unit | both streams are exported; backends may refuse or mix them |
//! | description or boundaries | the first instrument decides: the others are created with its description, since the SDK makes another stream of each description |
//! | case of the name alone | nothing: names are case-insensitive |
//!
//! The rule is the specification's "Duplicate instrument registration". A program that creates an instrument for each
//! request in a differing form is warned once for each name, not for each request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

use crate::diagnostics::{Diagnostics, FieldValue};

/// The instruments of one meter.
///
/// The key is the name in lower case. Entries are never removed: instruments live as long as their meter, and a program
/// has as many names as it has places that create instruments. The lock is not held while the warning is written.
#[derive(Debug, Default)]
pub(super) struct Identities(Mutex<HashMap<String, Known>>);

/// The first instrument of a name.
#[derive(Debug)]
struct Known {
    /// The properties of the first instrument of the name.
    first: Identity,
    /// `true` once a conflict was reported.
    is_reported: bool,
    /// The description of the first instrument of each kind and unit.
    descriptions: Vec<(&'static str, String, String)>,
}

/// Properties of an instrument.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Identity {
    /// The name as it was given.
    pub(super) name: String,
    /// The kind of the instrument, with the type of its measurements.
    pub(super) kind: &'static str,
    /// Empty if none was given, like the description.
    pub(super) unit: String,
    /// Empty if none was given.
    pub(super) description: String,
    /// The boundaries of a histogram, if it was created with any.
    pub(super) boundaries: Option<Vec<f64>>,
}

impl Identities {
    /// Returns the description to create an instrument with: that of the first one of its name, kind and unit.
    ///
    /// The SDK would make a second stream of another description, and export two metrics of one name.
    pub(super) fn description(&self, identity: &Identity) -> String {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = known.entry(identity.name.to_ascii_lowercase()).or_insert_with(|| Known::new(identity));
        let Identity { kind, unit, description, .. } = identity;
        let first = known.descriptions.iter().find(|(of, in_unit, _)| of == kind && in_unit == unit);
        match first {
            Some((_, _, first)) => first.clone(),
            None => {
                known.descriptions.push((kind, unit.clone(), description.clone()));
                description.clone()
            }
        }
    }

    /// Compares an instrument with the first one of its name, and warns once of one that differs. Returns `true` if it
    /// has warned.
    pub(super) fn check(&self, scope: &str, identity: Identity, diagnostics: &Diagnostics) -> bool {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Names of instruments are case-insensitive.
        let Some(earlier) = known.get_mut(&identity.name.to_ascii_lowercase()) else {
            known.insert(identity.name.to_ascii_lowercase(), Known::new(&identity));
            return false;
        };
        if earlier.is_reported || !earlier.first.conflicts_with(&identity) {
            return false;
        }
        earlier.is_reported = true;
        let first = earlier.first.clone();
        drop(known);
        let check = match first.kind == identity.kind && first.unit == identity.unit {
            true => "the first one decides; give both the same description and boundaries",
            false => "backends may refuse or mix them; rename one of them",
        };
        diagnostics.warn(
            "two instruments have the same name and differ",
            &[
                ("scope", FieldValue::Text(&scope)),
                ("first", FieldValue::Text(&first)),
                ("second", FieldValue::Text(&identity)),
                ("check", FieldValue::Text(&check)),
            ],
        );
        true
    }
}

impl Known {
    /// The first instrument of a name.
    fn new(first: &Identity) -> Self {
        Self { first: first.clone(), is_reported: false, descriptions: Vec::new() }
    }
}

impl Identity {
    /// Returns `true` if the two cannot be one stream. Boundaries are advice: an instrument without any takes those of
    /// the first.
    fn conflicts_with(&self, later: &Self) -> bool {
        let boundaries_differ = later.boundaries.is_some() && later.boundaries != self.boundaries;
        let without_boundaries = |identity: &Self| Self { boundaries: None, ..identity.clone() };
        boundaries_differ || without_boundaries(self) != without_boundaries(later)
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, unit, description, boundaries } = self;
        write!(f, "{name} ({kind}, unit {unit:?}, description {description:?}")?;
        if let Some(boundaries) = boundaries {
            write!(f, ", boundaries {boundaries:?}")?;
        }
        f.write_str(")")
    }
}
