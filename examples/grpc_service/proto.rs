//! What `proto/myservice.proto` describes, as generated: `tests/generated_code.rs` compares.

#![allow(missing_docs, unreachable_pub, unused_qualifications, reason = "generated")]

include!("proto/myservice.rs");
