use proptest::prelude::*;

use super::*;

fn err<T>(result: Result<T, Reason>) -> String {
    match result {
        Ok(_) => panic!("accepted"),
        Err(reason) => reason.into_owned(),
    }
}

#[test]
fn durations_are_whole_milliseconds() {
    assert_eq!(DURATION.read("1500"), Ok(Duration::from_millis(1500)));
    assert_eq!(DURATION.read("1"), Ok(Duration::from_millis(1)));
    for text in ["1.5", "-1", "ten", "1e3", "18446744073709551616", "s", "5 apples", "-5s", "999999999h"] {
        assert_eq!(err(DURATION.read(text)), "not a whole number of milliseconds", "{text}");
    }
    for (text, milliseconds) in [
        ("10s", 10_000),
        ("500ms", 500),
        ("1m", 60_000),
        ("1.5 min", 90_000),
        ("2h", 7_200_000),
        ("5 S", 5_000),
    ] {
        let expected = format!("not a whole number of milliseconds: write {milliseconds}");
        for kind in [DURATION, DELAY, TIMEOUT] {
            assert_eq!(err(kind.read(text)), expected, "{text}");
        }
    }
    assert_eq!(err(DURATION.read("0")), "must be at least 1 ms");
    assert_eq!(err(DURATION.read("18446744073709551615")), "more than a year");
}

#[test]
fn a_timeout_may_be_zero() {
    assert_eq!(TIMEOUT.read("0"), Ok(Duration::ZERO));
    assert_eq!((TIMEOUT.show)(&Duration::ZERO), "no limit");
    assert_eq!(err(TIMEOUT.read("31536000001")), "more than a year");
}

#[test]
fn numbers_are_checked() {
    assert_eq!(COUNT.read("512"), Ok(512));
    assert_eq!(err(COUNT.read("0")), "must be at least 1");
    for text in ["-1", "1.0", "many", "99999999999999999999999"] {
        assert_eq!(err(COUNT.read(text)), "not a whole number", "{text}");
    }
    assert_eq!(LIMIT.read("0"), Ok(0));
    assert_eq!(err(LIMIT.read("4294967296")), "not a whole number");
    assert_eq!(LENGTH.read("0"), Ok(Some(0)));
}

#[test]
fn ratios_lie_between_zero_and_one() {
    for (text, ratio) in [("0", 0.0), ("1", 1.0), ("0.25", 0.25), ("1e-3", 0.001)] {
        assert_eq!(RATIO.read(text), Ok(ratio), "{text}");
    }
    for text in ["-0.1", "1.1", "NaN", "inf", "half", "10%"] {
        assert_eq!(err(RATIO.read(text)), "not a number from 0.0 to 1.0", "{text}");
    }
}

#[test]
fn names_may_have_any_case() {
    assert_eq!(TEMPORALITY.read("DELTA"), Ok(Temporality::Delta));
    assert_eq!(TEMPORALITY.read("LowMemory"), Ok(Temporality::LowMemory));
    assert_eq!(LOG_FORMAT.read("Pretty"), Ok(LogFormat::Pretty));
    assert_eq!(
        HISTOGRAMS.read("Base2_Exponential_Bucket_Histogram"),
        Ok(HistogramAggregation::Base2Exponential)
    );
    assert_eq!(err(COMPRESSION.read("deflate")), "not one of none, gzip, zstd");
}

#[test]
fn displayed_values_parse_back() {
    for temporality in [Temporality::Cumulative, Temporality::Delta, Temporality::LowMemory] {
        assert_eq!(TEMPORALITY.read(&(TEMPORALITY.show)(&temporality)), Ok(temporality));
    }
    for format in [LogFormat::Auto, LogFormat::Json, LogFormat::Pretty, LogFormat::Off] {
        assert_eq!(LOG_FORMAT.read(&(LOG_FORMAT.show)(&format)), Ok(format));
    }
    for aggregation in [HistogramAggregation::ExplicitBuckets, HistogramAggregation::Base2Exponential] {
        assert_eq!(HISTOGRAMS.read(&(HISTOGRAMS.show)(&aggregation)), Ok(aggregation));
    }
}

#[cfg(feature = "gzip")]
#[test]
fn gzip_is_accepted_with_its_feature() {
    assert_eq!(COMPRESSION.read("GZIP"), Ok(Compression::Gzip));
}

#[cfg(not(feature = "gzip"))]
#[test]
fn gzip_names_the_feature_that_is_missing() {
    assert!(err(COMPRESSION.read("gzip")).contains("feature `gzip`"));
}

fn headers(text: &str) -> Vec<(String, String)> {
    let headers = HEADERS.read(text).unwrap_or_else(|reason| panic!("{text}: {reason}"));
    let sent = headers.iter().map(|(name, value)| header(name, value).unwrap());
    sent.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect()
}

#[test]
fn headers_are_a_percent_encoded_list() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(headers("api-key=abc"), [pair("api-key", "abc")]);
    assert_eq!(headers("Api-Key = abc , tenant=7"), [pair("api-key", "abc"), pair("tenant", "7")]);
    assert_eq!(
        headers("authorization=Basic%20dXNlcjpwYXNz%3D%3D"),
        [pair("authorization", "Basic dXNlcjpwYXNz==")]
    );
    assert_eq!(headers("authorization=Bearer a.b=="), [pair("authorization", "Bearer a.b==")]);
    assert_eq!(headers("a=1%2C2,,b="), [pair("a", "1,2"), pair("b", "")]);
}

#[test]
fn malformed_header_is_reported_without_its_value() {
    let cases = [
        ("s3cret", "entry 1 has no `=`"),
        ("a=1,=s3cret", "entry 2 has no key"),
        ("a=s3cret%2", "entry 1 has a `%` that is not followed by two hexadecimal digits"),
        ("a=%zzs3cret", "entry 1 has a `%` that is not followed by two hexadecimal digits"),
        ("a=s3cret%ff", "entry 1 is not UTF-8 when decoded"),
        ("s3 cret=1", "a header's name is not valid"),
        ("a=s3cret%0A", "the value of the header a is not printable ASCII"),
        ("a=s3cret%C3%A4", "the value of the header a is not printable ASCII"),
        ("a=s3cretä", "the value of the header a is not printable ASCII"),
        ("te=s3cret", "the header te belongs to the protocol itself"),
        ("grpc-timeout=s3cret", "the header grpc-timeout belongs to the protocol itself"),
        ("Content-Length=s3cret", "the header content-length belongs to the protocol itself"),
        ("content-encoding=s3cret", "the header content-encoding belongs to the protocol itself"),
        ("upgrade=s3cret", "the header upgrade belongs to the protocol itself"),
    ];
    for (text, expected) in cases {
        assert_eq!(header_list(text).1, [expected], "{text}");
    }
    assert_eq!((HEADERS.quote)("a=s3cret"), "[redacted]");
}

#[test]
fn header_values_are_marked_as_secrets() {
    let (_, value) = header("authorization", "Bearer x").unwrap();
    assert!(value.is_sensitive());
}

proptest! {
    #[test]
    fn parsing_any_headers_does_not_panic(text in "\\PC{0,60}") {
        let _ = HEADERS.read(&text);
    }

    #[test]
    fn encoded_values_are_read_as_they_were(values in prop::collection::vec("\\PC{0,20}", 1..5)) {
        let encode = |value: &String| {
            percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
        };
        let text = values.iter().map(|value| format!("key={}", encode(value))).collect::<Vec<_>>().join(",");
        let read = pairs(&text).unwrap().into_iter().map(|(_, value)| value).collect::<Vec<_>>();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn reasons_never_repeat_the_value(text in "[a-z%=,]{0,9}S3CRET[a-z%=,;]{0,9}") {
        if let Err(reason) = pairs(&format!("a={text}")) {
            prop_assert!(!reason.contains("S3CRET"), "{}", reason);
        }
    }
}

#[test]
fn last_of_headers_with_one_name_counts_and_malformed_ones_leave_the_others() {
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(headers("a=1,b=2,A=3"), [pair("b", "2"), pair("a", "3")]);
    for (text, mistakes) in [
        ("no equals sign,authorization=Bearer x", 1),
        ("authorization=Bearer x,=value,te=trailers", 2),
        ("a=%zz,authorization=Bearer x,b=%0A", 2),
    ] {
        assert_eq!(headers(text), [pair("authorization", "Bearer x")], "{text}");
        assert_eq!(header_list(text).1.len(), mistakes, "{text}");
    }
    assert!(HEADERS.read("one,two").is_err());
}
