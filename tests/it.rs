use telemetry_bootstrap::testing::Collector;
#[test]
fn it() {
    let collector = Collector::start().unwrap();
    let t = std::time::Instant::now();
    let guard = telemetry_bootstrap::init().service_name("x").endpoint(collector.endpoint()).build().unwrap();
    println!("build {:?}", t.elapsed());
    for i in 0..200 {
        let _s = tracing::info_span!("work", i).entered();
        tracing::info!(i, "hello");
        log::warn!("log {i}");
    }
    guard.meter("m").u64_counter("c").build().add(3, &[]);
    let t = std::time::Instant::now();
    let d = guard.shutdown();
    println!("{:?} {:?}", t.elapsed(), d);
    println!(
        "{} {} {:?}",
        collector.spans().len(),
        collector.logs().len(),
        collector.received().value("c", &[])
    );
}
