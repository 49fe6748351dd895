//! Nothing: the crate consists of its test.
