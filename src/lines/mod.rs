//! Log lines: their formats and the writer.

pub mod json;
pub(crate) mod pretty;
pub(crate) mod span_table;
pub(crate) mod writer;
