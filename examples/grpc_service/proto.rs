//! What `proto/myservice.proto` describes, as generated: `tests/generated_code.rs` compares.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::allow_attributes,
    reason = "generated"
)]

include!("proto/myservice.rs");
