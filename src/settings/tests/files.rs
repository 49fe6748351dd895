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

#[test]
#[cfg(feature = "tls")]
fn a_certificate_is_used_for_a_proxy_with_tls_and_a_client_key_is_not() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let key = rcgen::generate_simple_self_signed(["proxy".to_owned()]).unwrap();
    std::fs::write(file.path(), key.cert.pem() + &key.signing_key.serialize_pem()).unwrap();
    let path = file.path().to_str().unwrap();
    let [certificate, client_key, chain] =
        ["CERTIFICATE", "CLIENT_KEY", "CLIENT_CERTIFICATE"].map(|name| format!("OTEL_EXPORTER_OTLP_{name}"));
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:1"),
        ("HTTP_PROXY", "https://proxy:3128"),
        (&certificate, path),
        (&client_key, path),
        (&chain, path),
    ];
    let used = |variables: &[(&str, &str)]| {
        let settings = resolved(init(), &Env::from_pairs(variables.iter().copied()));
        let tls = otlp(&settings.traces.destinations).unwrap().target.tls.clone();
        (tls.certificate.is_some(), tls.client_key.is_some(), settings.warnings)
    };
    assert_eq!(used(&variables[..3]), (true, false, Vec::new()));
    let words = "no TLS is used, because http://c:1 does not begin with https://; it is ignored";
    assert_eq!(used(&variables), (true, false, vec![format!("{client_key}: {words}")]));
    let builder = || init().endpoint("http://c:1").proxy("https://proxy:3128");
    let settings = resolved(builder().tls(TlsSettings::new().certificate(path)), &Env::none());
    assert_eq!(settings.warnings, [""; 0]);
    assert!(otlp(&settings.traces.destinations).unwrap().target.tls.certificate.is_some());
}

#[test]
fn names_of_files_with_dates_or_words_such_as_secrets_are_shown() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("telemetry-20261127.jsonl");
    let path = path.to_str().unwrap();
    let settings =
        from_env([("OTEL_TRACES_EXPORTER", "otlp_file"), ("OTEL_RUST_EXPORTER_OTLP_FILE_PATH", path)]);
    let names: Vec<_> = settings.traces.destinations.iter().map(DestinationSettings::name).collect();
    assert_eq!((names, settings.warnings), (vec![path.to_owned()], Vec::new()));
    for variable in ["OTEL_EXPORTER_OTLP_CERTIFICATE", "OTEL_RUST_EXPORTER_OTLP_FILE_PATH"] {
        let path = "/does/not/exist/secrets/ca-20261127.pem";
        let messages = warnings([("OTEL_TRACES_EXPORTER", "otlp_file"), (variable, path)]);
        assert!(messages[0].starts_with(&format!("invalid {variable}={path:?}: ")), "{messages:?}");
    }
    let error = error(init().tls(TlsSettings::new().certificate("/etc/secrets/ca-20261127.pem"))).to_string();
    assert!(error.starts_with("invalid tls \"/etc/secrets/ca-20261127.pem\""), "{error}");
}

/// What can stand in the place of a file, with the words for it where the file is read.
#[cfg(unix)]
fn no_readable_files(directory: &std::path::Path) -> [(std::path::PathBuf, &'static str); 4] {
    let [fifo, huge, folder] = ["fifo", "huge", "folder"].map(|name| directory.join(name));
    assert!(std::process::Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Takes no space on the disk.
    std::fs::File::create(&huge).unwrap().set_len(1 << 40).unwrap();
    std::fs::create_dir(&folder).unwrap();
    [
        (fifo, "it is a FIFO"),
        (huge, "larger than"),
        (folder, "not a regular file"),
        ("/dev/zero".into(), "not a regular file"),
    ]
}

/// Opening a FIFO would wait for its other end, and a device never ends.
#[cfg(unix)]
#[test]
fn what_is_no_file_of_usual_size_is_reported_and_not_read() {
    let directory = tempfile::tempdir().unwrap();
    let files = no_readable_files(directory.path());
    let count = files.len();
    let (sender, resolved) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for (file, words) in files {
            let path = file.to_str().unwrap();
            let https = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://c:1");
            for variable in [
                "OTEL_EXPORTER_OTLP_CERTIFICATE",
                "OTEL_EXPORTER_OTLP_CLIENT_KEY",
                "OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE",
            ] {
                sender.send((variable, words, warnings([https, (variable, path)]))).unwrap();
            }
            let token = HeaderSource::from_file(&file).fetch();
            sender.send(("token", words, vec![token.map(|_| ()).unwrap_err().to_string()])).unwrap();
        }
    });
    for _ in 0..4 * count {
        let (name, words, messages) = resolved.recv_timeout(Duration::from_secs(20)).expect("it waits");
        let [message, ..] = &messages[..] else { panic!("no warning: {name}") };
        assert!(message.contains(words), "{name}: {message}");
    }
}

#[cfg(unix)]
#[test]
fn output_is_not_appended_to_a_fifo_or_a_directory() {
    let directory = tempfile::tempdir().unwrap();
    let [(fifo, _), _, (folder, _), _] = no_readable_files(directory.path());
    for (path, words) in [(fifo, "it is a FIFO"), (folder, "directory")] {
        let path = path.to_str().unwrap().to_owned();
        let (sender, resolved) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let file = ("OTEL_RUST_EXPORTER_OTLP_FILE_PATH", &*path);
            sender.send(warnings([("OTEL_TRACES_EXPORTER", "otlp_file"), file])).unwrap();
        });
        let messages = resolved.recv_timeout(Duration::from_secs(20)).expect("it waits");
        assert!(messages[0].contains(words), "{messages:?}");
    }
}
