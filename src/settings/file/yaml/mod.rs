//! YAML documents as trees that keep positions, and whether a scalar was quoted.
//!
//! References to variables are replaced while the tree is built: after the structure is known, so that a value cannot
//! become structure, and before types are, so that `${INTERVAL}` can be a number.
//!
//! A document is bounded: in its size, its depth, and the size of what its aliases and variables expand to.

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
