//! The fields of spans in lines.

use super::*;

#[test]
fn the_innermost_field_wins() {
    let fields = fields(|| {
        let _outer = info_span!("outer", a = "outer", b = "outer", c = "outer").entered();
        let _inner = info_span!("inner", b = "inner", c = "inner").entered();
        info!(c = "event", d = "event");
    });
    assert_eq!(fields, json!({"a": "outer", "b": "inner", "c": "event", "d": "event"}));
}

#[test]
fn fields_recorded_later_are_in_later_lines() {
    let lines = lines_with(
        |layer| layer,
        || {
            use tracing::field::Empty;
            let outer = info_span!("outer", a = 1, late = Empty).entered();
            let inner = info_span!("inner", own = Empty, b = 2).entered();
            info!("first");
            outer.record("late", "x");
            info!("second");
            inner.record("own", 1);
            outer.record("late", "y");
            outer.record("a", 10);
            info!("third");
            inner.record("own", 2);
            info!("fourth");
        },
    );
    let values: Vec<_> =
        lines.iter().map(|line| ["a", "late", "own", "b"].map(|key| line[key].clone())).collect();
    let expected =
        [json!([1, null, null, 2]), json!([1, "x", null, 2]), json!([10, "y", 1, 2]), json!([10, "y", 2, 2])];
    assert_eq!(json!(values), json!(expected));
}

#[test]
fn an_event_with_an_explicit_parent_has_its_fields() {
    let fields = fields(|| {
        let named = info_span!(parent: None, "named", who = "named");
        let _current = info_span!("current", who = "current", other = 1).entered();
        info!(parent: &named, x = 1);
    });
    assert_eq!(fields, json!({"x": 1, "who": "named"}));
}

#[test]
fn a_root_event_has_no_span_fields() {
    let fields = fields(|| {
        let _current = info_span!("current", who = "current").entered();
        info!(parent: None, x = 1);
    });
    assert_eq!(fields, json!({"x": 1}));
}

#[test]
fn fields_that_collide_with_ours_get_a_prefix() {
    let line = line(|| {
        let _span = info_span!("span", message = "span's", level = 7).entered();
        info!(timestamp = 1, target = "mine", trace_id = "mine", "text");
    });
    assert_eq!(line["message"], "text");
    assert_eq!(line["field.message"], "span's");
    assert_eq!(line["field.level"], 7);
    assert_eq!(line["field.timestamp"], 1);
    assert_eq!(line["field.target"], "mine");
    assert_eq!(line["field.trace_id"], "mine");
}

#[test]
fn nested_spans_are_a_list_from_the_outermost() {
    let lines = lines_with(
        |layer| layer.include_span_fields(SpanFields::Nested),
        || {
            let _outer = info_span!("outer", name = "own", a = 1).entered();
            let inner = info_span!("inner", late = tracing::field::Empty).entered();
            info!(a = 2, spans = 3, name = "event");
            inner.record("late", 4);
            info!("again");
        },
    );
    assert_eq!(lines[0]["spans"], json!([{"name": "outer", "field.name": "own", "a": 1}, {"name": "inner"}]));
    assert_eq!(
        (&lines[0]["a"], &lines[0]["field.spans"], &lines[0]["name"]),
        (&json!(2), &json!(3), &json!("event"))
    );
    assert_eq!(lines[1]["spans"][1], json!({"name": "inner", "late": 4}));
}

#[test]
fn span_fields_can_be_off() {
    let lines = lines_with(
        |layer| layer.include_span_fields(SpanFields::Off),
        || {
            let span = info_span!("span", a = 1).entered();
            span.record("a", 2);
            info!(b = 2);
        },
    );
    assert_eq!((lines[0].get("a"), &lines[0]["b"]), (None, &json!(2)));
}

#[test]
fn two_layers_of_one_subscriber_do_not_disturb_each_other() {
    let outputs = [Output::default(), Output::default()];
    let plain = JsonLayer::new(outputs[0].clone());
    let redacting = JsonLayer::new(outputs[1].clone()).redact(Redaction::keys(["secret"]));
    with_default(tracing_subscriber::registry().with(plain).with(redacting), || {
        let _span = info_span!("span", secret = "s", a = 1).entered();
        info!("text");
    });
    let secrets = outputs.map(|output| {
        let text = output.0.lock().unwrap()[0].clone();
        serde_json::from_str::<Value>(&text).unwrap()["secret"].clone()
    });
    assert_eq!(secrets, [json!("s"), json!("[redacted]")]);
}

#[test]
fn a_span_that_a_filter_hides_counts_as_its_parent() {
    use tracing_subscriber::filter::filter_fn;
    let output = Output::default();
    let layer = JsonLayer::new(output.clone()).with_filter(filter_fn(|metadata| metadata.name() != "hidden"));
    with_default(tracing_subscriber::registry().with(layer), || {
        let _outer = info_span!("outer", a = 1).entered();
        let _hidden = info_span!("hidden", b = 2).entered();
        info!("in hidden");
        let _inner = info_span!("inner", c = 3).entered();
        info!("in inner");
    });
    let lines = output.0.lock().unwrap();
    assert!(lines[0].ends_with(",\"a\":1}\n"), "{}", lines[0]);
    assert!(lines[1].ends_with(",\"c\":3,\"a\":1}\n"), "{}", lines[1]);
}

#[test]
fn threads_that_log_and_record_in_one_tree_of_spans_see_whole_values() {
    let output = Output::default();
    let dispatch = Dispatch::new(tracing_subscriber::registry().with(JsonLayer::new(output.clone())));
    let outer =
        tracing::dispatcher::with_default(&dispatch, || info_span!("outer", count = 0, text = "zero"));
    let inner =
        tracing::dispatcher::with_default(&dispatch, || info_span!(parent: &outer, "inner", own = true));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                tracing::dispatcher::with_default(&dispatch, || {
                    (0..500).for_each(|_| info!(parent: &inner, "text"));
                });
            });
        }
        scope.spawn(|| {
            for count in 1..=500 {
                outer.record("count", count);
                outer.record("text", "a text that is longer".get(..count % 20).unwrap());
            }
        });
    });
    tracing::dispatcher::with_default(&dispatch, || info!(parent: &inner, "last"));
    let lines = output.0.lock().unwrap();
    let lines: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1001);
    assert!(lines.iter().all(|line| line["own"] == true && line["count"].is_u64() | line["count"].is_i64()));
    assert_eq!(lines[1000]["count"], 500);
}
