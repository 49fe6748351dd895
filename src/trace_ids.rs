//! trace_ids
