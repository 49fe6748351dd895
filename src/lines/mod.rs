//! Log lines: their formats and the writer.

pub mod json;
pub(crate) mod pretty;
pub(crate) mod writer;
