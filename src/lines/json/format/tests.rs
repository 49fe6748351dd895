//! The constant parts of a line, as each backend documents them.

use opentelemetry::trace::{SpanId, TraceFlags, TraceId};

use super::*;

const IDS: TraceIds = TraceIds {
    trace_id: TraceId::from_bytes(0x0af7_6519_16cd_43dd_8448_eb21_1c80_319c_u128.to_be_bytes()),
    span_id: SpanId::from_bytes(0xb7ad_6b71_6920_3331_u64.to_be_bytes()),
    flags: TraceFlags::SAMPLED,
};

fn options(style: FieldNames) -> Options {
    Options { style, ..Options::default() }
}

fn with_service(style: FieldNames) -> Options {
    Options { service: ["shop", "1.2.3", "production"].map(|value| Some(value.to_owned())), ..options(style) }
}

/// A line without its braces.
fn line(options: &Options, ids: Option<TraceIds>) -> String {
    let format = Format::new(options);
    let mut line = Vec::new();
    format.timestamp(&mut line, |line| line.extend_from_slice(b"NOW"));
    format.level(&mut line, Level::WARN);
    if format.message(&mut line) {
        encode::string(&mut line, "text");
    }
    format.ids(&mut line, ids);
    format.target(&mut line, "module");
    format.constants(&mut line);
    String::from_utf8(line).unwrap()
}

#[test]
fn default_lines_have_the_documented_names() {
    assert_eq!(
        line(&with_service(FieldNames::OpenTelemetry), Some(IDS)),
        concat!(
            r#","timestamp":"NOW","level":"WARN","message":"text""#,
            r#","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","trace_flags":"01""#,
            r#","target":"module""#,
            r#","service.name":"shop","service.version":"1.2.3","deployment.environment.name":"production""#,
        )
    );
}

#[test]
fn ecs_lines_have_the_names_of_the_schema() {
    assert_eq!(
        line(&with_service(FieldNames::ElasticCommonSchema), Some(IDS)),
        concat!(
            r#","@timestamp":"NOW","log.level":"WARN","message":"text""#,
            r#","trace.id":"0af7651916cd43dd8448eb211c80319c","span.id":"b7ad6b7169203331","log.logger":"module""#,
            r#","ecs.version":"8.11.0""#,
            r#","service.name":"shop","service.version":"1.2.3","service.environment":"production""#,
        )
    );
}

#[test]
fn google_cloud_lines_have_the_special_fields() {
    let mut options = with_service(FieldNames::GoogleCloudLogging);
    options.google_cloud_project = Some("my-project".to_owned());
    let unsampled = TraceIds { flags: TraceFlags::NOT_SAMPLED, ..IDS };
    assert_eq!(
        line(&options, Some(unsampled)),
        concat!(
            r#","time":"NOW","severity":"WARNING","message":"text""#,
            r#","logging.googleapis.com/trace":"projects/my-project/traces/0af7651916cd43dd8448eb211c80319c""#,
            r#","logging.googleapis.com/spanId":"b7ad6b7169203331","logging.googleapis.com/trace_sampled":false"#,
            r#","target":"module""#,
            r#","deployment.environment.name":"production","serviceContext":{"service":"shop","version":"1.2.3"}"#,
        )
    );
}

#[test]
fn google_cloud_logging_without_a_project_has_the_bare_trace_id() {
    let line = line(&options(FieldNames::GoogleCloudLogging), Some(IDS));
    assert!(line.contains(r#""logging.googleapis.com/trace":"0af7651916cd43dd8448eb211c80319c""#), "{line}");
    assert!(line.contains(r#""logging.googleapis.com/trace_sampled":true"#), "{line}");
}

#[test]
fn datadog_lines_have_the_names_of_its_log_format() {
    assert_eq!(
        line(&with_service(FieldNames::Datadog), Some(IDS)),
        concat!(
            r#","timestamp":"NOW","status":"WARN","message":"text""#,
            r#","dd.trace_id":"9532127138774266268","dd.span_id":"13235353014750950193","logger.name":"module""#,
            r#","dd.service":"shop","dd.version":"1.2.3","dd.env":"production""#,
        )
    );
}

#[test]
fn project_has_no_effect_on_other_styles() {
    let mut options = options(FieldNames::OpenTelemetry);
    options.google_cloud_project = Some("my-project".to_owned());
    assert!(line(&options, Some(IDS)).contains(r#""trace_id":"0af7651916cd43dd8448eb211c80319c""#));
}

#[test]
fn keys_can_be_renamed_and_left_out() {
    let mut options = options(FieldNames::OpenTelemetry);
    let name = |name: &str| Some(name.to_owned());
    options.renamed = vec![
        (Field::Level, name("severity")),
        (Field::Level, name("a \"quoted\" level")),
        (Field::Timestamp, None),
        (Field::TraceFlags, None),
        (Field::Target, None),
    ];
    assert_eq!(
        line(&options, Some(IDS)),
        concat!(
            r#","a \"quoted\" level":"WARN","message":"text""#,
            r#","trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331""#,
        )
    );
}

#[test]
fn no_choice_of_names_duplicates_a_key() {
    let mut options = with_service(FieldNames::OpenTelemetry);
    options.renamed = Field::ALL.iter().map(|field| (*field, Some("same".to_owned()))).collect();
    options.constants = vec![("same".to_owned(), 1.into()), ("service.name".to_owned(), 2.into())];
    let line = line(&options, Some(IDS));
    let keys: Vec<_> = line.split(",\"").skip(1).map(|field| field.split_once("\":").unwrap().0).collect();
    let unique: std::collections::BTreeSet<_> = keys.iter().collect();
    assert_eq!(unique.len(), keys.len(), "{line}");
    assert!(line.contains(r#""service.name":2"#), "the later constant counts: {line}");
}

#[test]
fn absent_ids_follow_the_names_in_use() {
    let mut options = options(FieldNames::ElasticCommonSchema);
    options.missing_ids = MissingIds::Zero;
    assert!(line(&options, None).contains(r#","trace.id":"0","span.id":"0","log.logger""#));
    options.missing_ids = MissingIds::Null;
    options.renamed = vec![(Field::SpanId, None)];
    assert!(line(&options, None).contains(r#","message":"text","trace.id":null,"log.logger""#));
}
