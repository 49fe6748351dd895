//! Log lines for people.
