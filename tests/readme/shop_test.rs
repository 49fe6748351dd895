#[tokio::test]
async fn an_order_is_traced_and_counted() {
    let telemetry = telemetry_bootstrap::testing::capture(); // of this thread, in memory
    Shop::new(&telemetry.meter("shop")).order(7).await.unwrap();
    assert_eq!(telemetry.value("shop.orders", &[("error", "false")]), Some(1.0));
    assert_eq!(telemetry.log("order placed").trace_id(), Some(telemetry.span("order").trace_id()));
}
