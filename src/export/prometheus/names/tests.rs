use super::*;

/// Cases of Prometheus, and what its translator makes of further ones.
fn cases() -> impl Iterator<Item = [&'static str; 6]> {
    let lines = include_str!("otlptranslator.txt").lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| {
        let fields: Vec<_> = line.split('|').collect();
        fields.try_into().unwrap()
    })
}

#[test]
fn names_are_those_of_the_official_translator() {
    for [strategy, name, unit, kind, expected, expected_unit] in cases() {
        let translation = match strategy {
            "UnderscoreEscapingWithSuffixes" => NameTranslation::UnderscoresWithSuffixes,
            "UnderscoreEscapingWithoutSuffixes" => NameTranslation::Underscores,
            "NoUTF8EscapingWithSuffixes" => NameTranslation::Utf8WithSuffixes,
            "NoTranslation" => NameTranslation::Unchanged,
            other => panic!("{other}"),
        };
        let kind = match kind {
            "MonotonicCounter" => Kind::Counter,
            "NonMonotonicCounter" => Kind::UpDownCounter,
            "Histogram" | "ExponentialHistogram" | "Summary" => Kind::Histogram,
            _ => Kind::Gauge,
        };
        let MetricName { family, unit: found_unit } = MetricName::new(name, unit, kind, translation);
        let found = match kind {
            Kind::Counter if translation.has_suffixes() => format!("{family}_total"),
            _ => family,
        };
        // What Prometheus refuses by OTLP consists of underscores here.
        let is_right = match expected {
            "!" => found.trim_matches('_').is_empty() || found == "__total",
            // A counter without any other word.
            "total" if kind == Kind::Counter => found == "__total",
            expected => found == expected,
        };
        assert!(is_right, "{strategy} {name:?} in {unit:?}: {found}, not {expected}");
        let has_unit = translation.has_suffixes() && unit != "1" && expected.contains(expected_unit);
        if has_unit && !found_unit.is_empty() {
            assert_eq!(found_unit, expected_unit, "{strategy} {name:?} in {unit:?}");
        }
    }
}

#[test]
fn unit_is_shown_if_the_name_ends_with_it() {
    for (name, unit, kind, expected) in [
        ("rpc.server.call.duration", "s", Kind::Histogram, "seconds"),
        ("process.cpu.utilization", "1", Kind::Gauge, "ratio"),
        ("shop.requests", "{request}", Kind::Counter, ""),
        ("disk.speed", "By/s", Kind::Gauge, "bytes_per_second"),
        ("rate", "{request}/s", Kind::Gauge, "per_second"),
        ("bytes.moved", "By/s", Kind::Gauge, ""),
        ("bytes.used", "By", Kind::Gauge, ""),
        ("shop.requests_total.seconds", "s", Kind::Counter, "seconds"),
    ] {
        for translation in [NameTranslation::UnderscoresWithSuffixes, NameTranslation::Utf8WithSuffixes] {
            let found = MetricName::new(name, unit, kind, translation);
            if translation == NameTranslation::UnderscoresWithSuffixes {
                assert_eq!(found.unit, expected, "{name} in {unit}");
            }
            assert!(
                found.unit.is_empty() || found.family.ends_with(&format!("_{}", found.unit)),
                "{found:?}"
            );
        }
        assert_eq!(MetricName::new(name, unit, kind, NameTranslation::Unchanged).unit, "");
    }
}

#[test]
fn labels_are_those_of_the_official_translator() {
    // Of `label_namer_test.go`, and those that it refuses.
    for (key, expected) in [
        ("label:with:colons", "label_with_colons"),
        ("LabelWithCapitalLetters", "LabelWithCapitalLetters"),
        ("label!with&special$chars)", "label_with_special_chars_"),
        ("label_with_foreign_characters_字符", "label_with_foreign_characters_"),
        ("label.with.dots", "label_with_dots"),
        (".foo", "_foo"),
        ("123label", "key_123label"),
        ("_label_starting_with_underscore", "_label_starting_with_underscore"),
        ("__label_starting_with_2underscores", "_label_starting_with_2underscores"),
        ("label__with__double__underscores", "label_with_double_underscores"),
        ("label.name__with&&special##chars", "label_name_with_special_chars"),
        ("__reserved__label__name__", "__reserved_label_name__"),
        ("trailing_underscores___", "trailing_underscores_"),
        ("ようこそ", "_"),
        ("", "_"),
        ("__", "_"),
        ("____", "_"),
        ("__name__", "_name_"),
    ] {
        for translation in [NameTranslation::UnderscoresWithSuffixes, NameTranslation::Underscores] {
            assert_eq!(label(key, translation), expected, "{key}");
        }
        let unchanged = match key {
            "" => "_",
            "__name__" => "_name_",
            key => key,
        };
        for translation in [NameTranslation::Utf8WithSuffixes, NameTranslation::Unchanged] {
            assert_eq!(label(key, translation), unchanged, "{key}");
        }
    }
}

#[test]
fn escaped_names_need_no_quotes() {
    for (name, is_metric, expected) in [
        ("http.server.duration", true, "http_server_duration"),
        ("ns:a", true, "ns:a"),
        ("ns:a", false, "ns_a"),
        ("1st", true, "_st"),
        ("a..b", false, "a__b"),
        ("é", true, "_"),
        ("a_b", false, "a_b"),
    ] {
        let found = escaped(name, is_metric);
        assert_eq!(found, expected, "{name}");
        assert!(is_plain(&found, is_metric), "{found}");
        assert_eq!(is_plain(name, is_metric), name == expected, "{name}");
    }
    assert!(!is_plain("", true));
}
