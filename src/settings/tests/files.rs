//! PEM files: what is wrong with them, and what belongs together.

use super::mistakes::{error, warnings};
use super::*;

#[test]
fn a_file_that_is_not_there_is_named() {
    let missing = "/does/not/exist.pem";
    let variable = [("OTEL_EXPORTER_OTLP_CERTIFICATE", missing)];
    let messages = warnings(variable);
    assert_eq!(messages.len(), 1);
    assert!(
        messages[0].starts_with(
            "invalid OTEL_EXPORTER_OTLP_CERTIFICATE=\"/does/not/exist.pem\": the file cannot be read: "
        ),
        "{messages:?}"
    );
    let error = error(init().tls(TlsSettings::new().certificate(missing))).to_string();
    assert!(
        error.starts_with("invalid tls \"/does/not/exist.pem\" (set by .tls()): the file cannot be read: "),
        "{error}"
    );
}

#[test]
fn a_file_without_pem_is_refused() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "DER").unwrap();
    let error = error(init().tls(TlsSettings::new().certificate(file.path()))).to_string();
    assert!(error.ends_with("the file holds nothing in PEM format"), "{error}");
}

fn section(label: &str, content: &str) -> String {
    format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
}

#[cfg(feature = "tls")]
#[test]
fn malformed_pem_file_is_reported_without_its_content() {
    let (certificate, key) = ("OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_EXPORTER_OTLP_CLIENT_KEY");
    let chain = "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE";
    let cases = [
        (
            certificate,
            "-----BEGIN CERTIFICATE-----\nS3CRET".to_owned(),
            "the file ends before its PEM section does",
        ),
        (certificate, section("CERTIFICATE", "S3CRET!"), "what stands in its PEM section is not base64"),
        (certificate, section("CERTIFICATE", "AAAA"), "no certificate in the file can be used"),
        (certificate, section("PRIVATE KEY", "AAAA"), "the file holds no certificate"),
        (chain, section("PRIVATE KEY", "AAAA"), "the file holds no certificate"),
        (key, section("CERTIFICATE", "AAAA"), "the file holds no private key"),
        (key, section("PRIVATE KEY", "S3CRET!"), "what stands in its PEM section is not base64"),
        (key, "-----BEGIN S3CRET".to_owned(), "the file is not in PEM format"),
    ];
    for (variable, text, reason) in cases {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let path = file.path().to_str().unwrap();
        let messages = warnings([("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:1"), (variable, path)]);
        assert_eq!(messages, [format!("invalid {variable}={path:?}: {reason}; using the default, none")]);
    }
}

#[test]
fn a_key_needs_its_certificate() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ["PRIVATE KEY", "CERTIFICATE"].map(|label| section(label, "AAAA")).concat())
        .unwrap();
    let path = file.path().to_str().unwrap();
    let messages =
        warnings([("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"), ("OTEL_EXPORTER_OTLP_CLIENT_KEY", path)]);
    assert_eq!(
        messages,
        [format!(
            "OTEL_EXPORTER_OTLP_CLIENT_KEY: {path:?} has no client certificate that belongs to it; it is ignored"
        )]
    );
    let error = error(init().tls(TlsSettings::new().client_certificate(path))).to_string();
    assert_eq!(
        error,
        format!(
            "invalid tls {path:?} (set by .tls()): there is no client key that \
             belongs to it"
        )
    );
}

#[test]
fn files_for_tls_at_an_endpoint_without_it_are_reported() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), ["PRIVATE KEY", "CERTIFICATE"].map(|label| section(label, "AAAA")).concat())
        .unwrap();
    let path = file.path().to_str().unwrap();
    let endpoint = "OTEL_EXPORTER_OTLP_ENDPOINT";
    let [key, chain] =
        ["OTEL_EXPORTER_OTLP_CLIENT_KEY", "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE"].map(|it| (it, path));
    let unused = |origin: &str| {
        format!("{origin}: no TLS is used, because http://c:1 does not begin with https://; it is ignored")
    };
    assert_eq!(warnings([(endpoint, "http://c:1"), key, chain]), [unused(key.0)]);
    assert_eq!(warnings([(endpoint, "https://c:1"), key, chain]), [""; 0]);
    let tls = TlsSettings::new().client_key(path).client_certificate(path);
    assert_eq!(resolved(init().endpoint("http://c:1").tls(tls), &Env::none()).warnings, [unused(".tls()")]);
    // Without an endpoint nothing is sent.
    assert_eq!(warnings([key, chain]), [""; 0]);
}

/// Opening one would wait for its other end, and `build()` with it.
#[cfg(unix)]
#[test]
fn a_fifo_in_the_place_of_a_file_is_reported() {
    let directory = tempfile::tempdir().unwrap();
    let fifo = directory.path().join("fifo");
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    let path = fifo.to_str().unwrap().to_owned();
    let (sender, resolved) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (exporter, variable) in [
            (("OTEL_TRACES_EXPORTER", "otlp_file"), "OTEL_RUST_EXPORTER_OTLP_FILE_PATH"),
            (("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:1"), "OTEL_EXPORTER_OTLP_CERTIFICATE"),
            (("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:1"), "OTEL_EXPORTER_OTLP_CLIENT_KEY"),
        ] {
            sender.send((variable, warnings([exporter, (variable, &path)]))).unwrap();
        }
        let token = HeaderSource::from_file(&fifo).fetch();
        sender.send(("token", vec![token.map(|_| ()).unwrap_err().to_string()])).unwrap();
    });
    for _ in 0..4 {
        let (name, messages) = resolved.recv_timeout(Duration::from_secs(20)).expect("it waits");
        let [message, ..] = &messages[..] else { panic!("no warning: {name}") };
        assert!(message.contains("it is a FIFO"), "{name}: {message}");
    }
}
