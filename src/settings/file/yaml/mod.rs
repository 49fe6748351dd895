//! YAML documents as trees that keep positions, and whether a scalar was quoted.
//!
//! References to variables are replaced while the tree is built: after the structure is known, so that a value cannot
//! become structure, and before types are, so that `${INTERVAL}` can be a number.
//!
//! A document is bounded: in its size, its depth, and the size of what its aliases and variables expand to.
//!
//! | YAML | here |
//! |---|---|
//! | several documents | a mistake |
//! | an empty document | a mistake |
//! | comments, directives | skipped |
//! | anchors and aliases | copied, within the budget |
//! | merge keys, `<<` | a mistake |
//! | tags of the core schema | applied or checked |
//! | other tags | a mistake |
//! | keys that are no scalars | a mistake |
//! | duplicate keys | a mistake |
//! | types | the core schema of YAML 1.2, after references were replaced |
//! | JSON | read, as a subset of YAML |
//!
//! References are replaced in values alone, never in keys. The result of one is always one scalar, whatever the
//! variable holds: `[1, 2]` is text, and a line end does not begin a new key.

mod node;
mod parse;
mod scalar;
mod substitution;
#[cfg(test)]
mod tests;

pub(super) use node::{Entry, Node, Position, Value};
pub(super) use parse::{MAX_BYTES, parse};
pub(super) use scalar::{Scalar, ScalarStyle, Typed};
#[cfg(test)]
pub(super) use substitution::EnvLookup;
pub(super) use substitution::Variable;
