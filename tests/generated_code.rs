//! The committed code of the example's protobuf is what its compiler makes of it, so that users need no compiler.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::path::Path;

/// `UPDATE_GENERATED=1 cargo test --test generated_code` writes the file anew.
#[test]
fn committed_code_is_what_the_compiler_generates() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/grpc_service/proto");
    let generated = generate(&folder);
    let committed = folder.join("myservice.rs");
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&committed, &generated).unwrap();
    }
    let committed = std::fs::read_to_string(committed).unwrap();
    assert!(
        committed == generated,
        "myservice.rs is not what myservice.proto makes: run UPDATE_GENERATED=1 cargo test --test generated_code"
    );
}

fn generate(folder: &Path) -> String {
    let descriptors = protox::compile(["myservice.proto"], [folder]).unwrap();
    let out = tempfile::tempdir().unwrap();
    tonic_prost_build::configure().out_dir(out.path()).compile_fds(descriptors).unwrap();
    std::fs::read_to_string(out.path().join("myservice.rs")).unwrap()
}
