//! The example `soak`: that it passes, and that it could fail.

mod child_process;
#[path = "../examples/soak/main.rs"]
#[expect(dead_code, reason = "its `main`")]
mod soak;

use std::collections::BTreeSet;
use std::time::Duration;

use soak::account::Seen;
use soak::gateway::Gateway;
use telemetry_bootstrap::testing::Collector;
use telemetry_bootstrap::{LogFormat, tracing};

#[test]
#[ignore = "run by the test below, in a process of its own"]
fn child() {
    soak::run(Duration::from_secs(6)).unwrap();
}

#[test]
fn counts_add_up_after_faults() {
    let (stdout, _) = child_process::passed("child", &[]);
    assert_eq!(stdout.matches(": balanced (").count(), 3, "{stdout}");
}

#[test]
fn missing_and_invented_items_are_detected() {
    let collector = Collector::start().unwrap();
    let builder = telemetry_bootstrap::init()
        .ignore_env()
        .endpoint(collector.endpoint())
        .log_output(|output| output.format(LogFormat::Off));
    let (layer, telemetry) = builder.build_local::<tracing_subscriber::Registry>().unwrap();
    let subscriber = tracing_subscriber::layer::SubscriberExt::with(tracing_subscriber::registry(), layer);
    tracing::subscriber::with_default(subscriber, || {
        for number in 0..10_u64 {
            tracing::info_span!("work", number).in_scope(|| tracing::info!(number, "working"));
        }
    });
    let stats = telemetry.shutdown().unwrap();
    let mut all = Seen::default();
    all.add(&collector.received());
    assert!(all.balances(10, &stats));
    assert!(!all.balances(11, &stats), "one was never accepted");
    assert!(!Seen::default().balances(10, &stats), "none has arrived");
}

#[test]
fn gateway_fails_only_while_faults_are_injected() {
    let collector = Collector::start().unwrap();
    let gateway = Gateway::start(collector.port()).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let statuses = |requests: usize| -> BTreeSet<u16> {
        runtime.block_on(async {
            let client = reqwest::Client::new();
            let mut statuses = BTreeSet::new();
            for _ in 0..requests {
                let url = format!("{}/v1/traces", gateway.endpoint());
                let request = client.post(url).header("content-type", "application/json").body("{}");
                statuses.insert(request.send().await.unwrap().status().as_u16());
            }
            statuses
        })
    };
    assert_eq!(statuses(20), BTreeSet::from([200]));
    gateway.set_trouble(true);
    let in_trouble = statuses(60);
    assert!(in_trouble.contains(&200) && in_trouble.len() > 1, "{in_trouble:?}");
    assert!(in_trouble.is_subset(&BTreeSet::from([200, 413, 429, 502, 503, 504])), "{in_trouble:?}");
    gateway.set_trouble(false);
    assert_eq!(statuses(20), BTreeSet::from([200]));
}
