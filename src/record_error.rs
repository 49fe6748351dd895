//! record_error
