//! Files that change, hang or are no certificates.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, channel};

use futures_util::future::join_all;

use super::*;

#[test]
fn http2_is_offered_where_it_is_spoken() {
    assert_eq!(offered_protocols(false, true), [&b"h2"[..], b"http/1.1"]);
    assert_eq!(offered_protocols(false, false), [b"http/1.1"]);
    assert_eq!(offered_protocols(true, true), [b"h2"]);
}

#[test]
fn an_error_about_a_key_does_not_repeat_it() {
    let key = b"-----BEGIN PRIVATE KEY-----\nS3CRET\nno end";
    let contents = Contents { roots: None, identity: Some((key.to_vec(), key.to_vec())) };
    let error = client_config(&contents, &RootCertStore::empty()).unwrap_err();
    let text = format!("{error} {error:?}");
    // The parser's own error has the bytes as a list of numbers.
    assert!(!text.contains("S3CRET") && !text.contains('['), "{text}");
}

/// Looks at files that hang, of the one test that counts them.
static LOOKS: AtomicUsize = AtomicUsize::new(0);
/// Such a look lasts until the sender is dropped.
static HANG: Mutex<Option<Receiver<()>>> = Mutex::new(None);

#[test]
fn files_that_hang_cost_one_thread_and_keep_the_previous_configuration() {
    let (diagnostics, written) = (Diagnostics::default(), Arc::new(Mutex::new(Vec::new())));
    let lines = Arc::clone(&written);
    diagnostics.write_with(Box::new(move |_, message, fields| {
        let error = fields.iter().find(|(key, _)| *key == "error").map(|(_, value)| value.to_string());
        lines.lock().unwrap().push(format!("{message}: {}", error.unwrap_or_default()));
    }));
    let limit = Duration::from_secs(60);
    let mut tls = Tls::new(TlsFiles::default(), &[b"h2"], limit, &diagnostics);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    // Dropped before the runtime, which waits for the look, also if an assertion fails.
    let (_release, hang) = channel();
    *HANG.lock().unwrap() = Some(hang);
    let first = runtime.block_on(tls.config()).unwrap();

    tls.limit = Duration::from_millis(100);
    Arc::get_mut(&mut tls.files).unwrap().read = |_| {
        LOOKS.fetch_add(1, Ordering::Relaxed);
        let hang = HANG.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = hang.map(|hang| hang.recv());
        Err("not in this test".into())
    };
    runtime.block_on(async {
        // A connection that is given up, and several at once.
        assert!(timeout(Duration::from_millis(1), tls.config()).await.is_err());
        for config in join_all([tls.config(), tls.config()]).await {
            assert!(Arc::ptr_eq(&config.unwrap(), &first));
        }
        assert_eq!(LOOKS.load(Ordering::Relaxed), 1);
        // Without a configuration from before.
        *tls.files.current.lock().unwrap() = None;
        assert_eq!(tls.config().await.unwrap_err().to_string(), "not read within 100ms");
    });
    let line = "changed certificate files cannot be used, keeping the previous ones: not read within 100ms";
    assert_eq!(*written.lock().unwrap(), [line]);
    runtime.shutdown_background();
}

/// Reads of the one test that counts them. The first one fails.
static READS: AtomicUsize = AtomicUsize::new(0);
/// The first read lasts until the sender is dropped.
static FIRST_READ: Mutex<Option<Receiver<()>>> = Mutex::new(None);

#[tokio::test]
async fn look_that_ended_unobserved_is_not_used_for_a_later_connection() {
    let (release, hang) = channel();
    *FIRST_READ.lock().unwrap() = Some(hang);
    let limit = Duration::from_secs(60);
    let mut tls = Tls::new(TlsFiles::default(), &[b"h2"], limit, &Diagnostics::default());
    Arc::get_mut(&mut tls.files).unwrap().read = |_| {
        if READS.fetch_add(1, Ordering::Relaxed) > 0 {
            return Ok(Contents { roots: None, identity: None });
        }
        let hang = FIRST_READ.lock().unwrap_or_else(PoisonError::into_inner).take();
        let _ = hang.map(|hang| hang.recv());
        Err("out of date".into())
    };
    assert!(timeout(Duration::from_millis(1), tls.config()).await.is_err());
    drop(release);
    while !tls.look.lock().await.as_ref().unwrap().is_finished() {
        tokio::task::yield_now().await;
    }
    tls.config().await.unwrap();
    assert_eq!(READS.load(Ordering::Relaxed), 2);
}
