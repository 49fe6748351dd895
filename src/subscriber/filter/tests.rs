use tracing_core::Level;

use super::*;

fn bad(text: &str) -> Vec<String> {
    Filter::parse(text).1.into_iter().map(|bad| bad.text).collect()
}

fn targets(text: &str) -> Targets {
    match Filter::parse(text).0 {
        Filter::Static(targets) => targets,
        Filter::Dynamic(filter) => panic!("{filter:?} is not static"),
    }
}

#[test]
fn directives_without_span_parts_are_checked_by_level_and_target_alone() {
    let targets = targets("warn, my_crate=debug ,my_crate::noisy=off,chatty");
    assert!(targets.would_enable("other", &Level::WARN));
    assert!(!targets.would_enable("other", &Level::INFO));
    assert!(targets.would_enable("my_crate::a", &Level::DEBUG));
    assert!(!targets.would_enable("my_crate::noisy", &Level::ERROR));
    assert!(targets.would_enable("chatty", &Level::TRACE));
}

#[test]
fn span_and_field_parts_need_the_dynamic_filter() {
    for text in ["[request]=debug", "my_crate[request{user=7}]=trace", "info,[{a,b}]=debug"] {
        let (filter, bad) = Filter::parse(text);
        assert!(matches!(filter, Filter::Dynamic(_)), "{text}");
        assert_eq!(bad, [], "{text}");
    }
}

#[test]
fn wrong_directives_are_named_and_the_rest_is_kept() {
    assert_eq!(bad("info,a=loud,b=debug,=x,c[=trace"), ["a=loud", "=x", "c[=trace"]);
    let targets = targets("info,a=loud,b=debug");
    assert!(targets.would_enable("b", &Level::DEBUG));
    assert!(targets.would_enable("a", &Level::INFO));
    assert!(!targets.would_enable("a", &Level::DEBUG));
}

#[test]
fn reason_for_an_unknown_level_lists_the_levels() {
    let (_, bad) = Filter::parse("my_crate=verbose");
    assert_eq!(
        FilterError::new(bad).to_string(),
        "filter directive \"my_crate=verbose\": \"verbose\" is not a level: \
         use error, warn, info, debug, trace or off; it is ignored; \"info\" is used"
    );
}

#[test]
fn without_a_usable_directive_the_default_applies() {
    for text in ["", " , ", "a=loud"] {
        let targets = targets(text);
        assert!(targets.would_enable("any", &Level::INFO), "{text}");
        assert!(!targets.would_enable("any", &Level::DEBUG), "{text}");
    }
}

#[test]
fn shortcuts_are_no_wider_than_the_filter() {
    let bounds = |text| {
        let filter = Filter::parse(text).0;
        (filter.floor(), filter.ceiling())
    };
    assert_eq!(bounds("info"), (LevelFilter::INFO, LevelFilter::INFO));
    assert_eq!(bounds("info,h2=off"), (LevelFilter::OFF, LevelFilter::INFO));
    assert_eq!(bounds("info,h2=warn,a=trace"), (LevelFilter::WARN, LevelFilter::TRACE));
    assert_eq!(bounds("a=debug"), (LevelFilter::OFF, LevelFilter::DEBUG));
    assert_eq!(bounds("info,[request]=debug"), (LevelFilter::OFF, LevelFilter::DEBUG));
}

#[test]
fn a_wrong_directive_leaves_the_filter_as_it_was() {
    let handle = FilterHandle::new(Filter::parse("debug").0);
    assert!(handle.set("info,a=loud").is_err());
    assert_eq!(handle.ceiling(), LevelFilter::DEBUG);
    handle.set("warn").unwrap();
    assert_eq!(handle.ceiling(), LevelFilter::WARN);
}

/// Values as they are found in deployments: how many directives are reported, what passes, and what does not.
#[test]
fn real_world_values_do_what_was_meant_or_are_reported() {
    // value, reported directives, then what passes and what does not
    let table: &[(&str, usize, &[&str], &[&str])] = &[
        ("info", 0, &["x=info"], &["x=debug"]),
        ("INFO", 0, &["x=info"], &["x=debug"]),
        ("Warn", 0, &["x=warn"], &["x=info"]),
        ("off", 0, &[], &["x=error"]),
        ("0", 0, &[], &["x=error"]),
        ("3", 0, &["x=info"], &["x=debug"]),
        ("", 0, &["x=info"], &["x=debug"]),
        (",,", 0, &["x=info"], &["x=debug"]),
        (" debug ", 0, &["x=debug"], &["x=trace"]),
        ("info,", 0, &["x=info"], &["x=debug"]),
        ("info,hyper=warn", 0, &["x=info", "hyper=warn"], &["hyper::client=info"]),
        ("info, hyper=warn , h2=off", 0, &["x=info"], &["hyper=info", "h2=error"]),
        ("my_crate", 0, &["my_crate::a=trace"], &["x=error"]),
        ("my_crate=", 0, &["my_crate=trace"], &["x=error"]),
        ("my_crate::db=debug,warn", 0, &["my_crate::db=debug", "x=warn"], &["my_crate=info"]),
        ("warp", 0, &["warp=trace"], &["x=error"]),
        ("error,otel.trace=info", 0, &["otel.trace=info"], &["x=warn"]),
        ("warning", 1, &["x=warn"], &["x=info"]),
        ("WARNING", 1, &["x=warn"], &["x=info"]),
        ("inof", 1, &["x=info"], &["x=debug"]),
        ("eror", 1, &["x=error"], &["x=warn"]),
        ("debugg", 1, &["x=debug"], &["x=trace"]),
        ("fatal", 1, &["x=error"], &["x=warn"]),
        ("none", 1, &[], &["x=error"]),
        ("false", 1, &[], &["x=error"]),
        ("of", 1, &[], &["x=error"]),
        ("true", 1, &["x=info"], &["x=debug"]),
        ("10", 1, &["x=info"], &["x=debug"]),
        ("-1", 1, &["x=info"], &["x=debug"]),
        ("warn,6", 1, &["x=warn"], &["x=info"]),
        ("info:", 1, &["x=info"], &["x=debug"]),
        ("warn,a:", 1, &["x=warn", "a=trace"], &["x=info"]),
        ("a=10", 1, &["x=info"], &["x=debug"]),
        ("a=of", 2, &["x=info"], &["a=error", "x=debug"]),
        ("verbose", 1, &["x=info"], &["x=debug"]),
        ("all", 1, &["x=trace"], &[]),
        ("*", 1, &["x=trace"], &[]),
        ("*=debug", 1, &["x=debug"], &["x=trace"]),
        ("info/foo", 1, &["x=info"], &["x=debug"]),
        ("info,a=debug/foo.*bar,baz", 1, &["x=info", "a=debug"], &["x=debug"]),
        ("info;a=debug", 1, &["x=info", "a=debug"], &["x=debug"]),
        ("info a=debug", 1, &["x=info", "a=debug"], &["x=debug"]),
        ("info\na=debug", 1, &["x=info", "a=debug"], &["x=debug"]),
        ("a = debug", 0, &["a=debug"], &["x=error"]),
        ("level=info", 1, &["x=info"], &["x=debug"]),
        ("RUST_LOG=debug", 1, &["x=debug"], &["x=trace"]),
        ("my-crate=debug", 1, &["my_crate=debug", "my-crate=debug"], &["x=error", "my_crate=trace"]),
        ("warn,tower-http=debug", 1, &["tower_http::trace=debug", "x=warn"], &["x=info"]),
        ("a::*=debug", 1, &["a::b=debug", "a=debug"], &["x=error"]),
        ("a::=debug", 1, &["a=debug"], &["x=error"]),
        ("warn,a:debug", 1, &["x=warn", "a=debug"], &["x=info"]),
        ("a::b:warning", 1, &["a::b=warn"], &["a=warn", "x=error"]),
        ("info,a=loud", 1, &["x=info", "a=info"], &["a=debug"]),
        ("info,a=warning", 1, &["x=info", "a=warn"], &["a=info"]),
        ("a=b=c", 1, &["x=info"], &["x=debug"]),
        ("\"info,a=debug\"", 1, &["x=info", "a=debug"], &["x=debug"]),
        ("'warn'", 1, &["x=warn"], &["x=info"]),
        ("noisy=off", 1, &["x=info"], &["noisy=error", "x=debug"]),
        ("my crate!", 2, &["my=trace"], &["x=error"]),
        ("info,a$b=debug", 1, &["x=info"], &["a=debug"]),
        ("[span]=off", 1, &["x=info"], &["x=debug"]),
        ("info,[span]=off", 1, &["x=info"], &["x=debug"]),
        (":", 1, &["x=info"], &["x=debug"]),
        ("::", 1, &["x=info"], &["x=debug"]),
        (":::", 1, &["x=info"], &["x=debug"]),
        ("=", 1, &["x=info"], &["x=debug"]),
        ("=debug", 1, &["x=info"], &["x=debug"]),
        (":debug", 1, &["x=debug"], &["x=trace"]),
        ("::debug", 1, &["x=info"], &["x=debug"]),
        (":=debug", 1, &["x=info"], &["x=debug"]),
        ("warn,:", 1, &["x=warn"], &["x=info"]),
        ("warn,::a=debug", 1, &["x=warn"], &["a=debug"]),
        ("warn,a::::b=debug", 1, &["x=warn"], &["a::b=debug"]),
        ("-", 1, &["x=info"], &["x=debug"]),
        ("_", 1, &["x=info"], &["x=debug"]),
        (".", 1, &["x=info"], &["x=debug"]),
        ("[", 1, &["x=info"], &["x=debug"]),
        ("]", 1, &["x=info"], &["x=debug"]),
        ("{", 1, &["x=info"], &["x=debug"]),
        ("[]", 1, &["x=info"], &["x=debug"]),
        ("{}", 1, &["x=info"], &["x=debug"]),
        ("[{}]", 1, &["x=info"], &["x=debug"]),
        ("warn,[]=debug", 1, &["x=warn"], &["x=info"]),
        ("warn,{}=debug", 1, &["x=warn"], &["x=info"]),
        ("warn,a[=debug", 1, &["x=warn"], &["a=debug"]),
        ("/", 1, &["x=info"], &["x=debug"]),
        (";", 1, &["x=info"], &["x=debug"]),
        ("\"\"", 1, &["x=info"], &["x=debug"]),
        ("https://user:hunter2@collector", 1, &["x=info"], &["x=debug"]),
        ("warn,https://user:hunter2@collector/a,b", 1, &["x=warn"], &["x=info"]),
        // Words of secrets are names of modules, too.
        ("warn,my_app::authorization=debug", 0, &["x=warn", "my_app::authorization=debug"], &["x=info"]),
        ("error,aws_sdk_secretsmanager=off", 0, &["x=error"], &["aws_sdk_secretsmanager=error", "x=warn"]),
        ("info,password_hash=warn", 0, &["x=info"], &["password_hash=info", "x=debug"]),
        ("my_app::authorization", 0, &["my_app::authorization=trace"], &["x=error"]),
        ("warn,my_app::authorization=debgu", 1, &["x=warn", "my_app::authorization=debug"], &["x=info"]),
        ("Authorization: Bearer abc", 1, &["x=info"], &["x=debug"]),
        ("authorization=Bearer abc,debug", 1, &["x=debug"], &["x=trace"]),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgN", 1, &["x=info"], &["x=debug"]),
        ("0af7651916cd43dd8448eb211c80319c", 1, &["x=info"], &["x=debug"]),
        ("glpat-aB3dE5gH7jK9mN1p", 1, &["x=info"], &["x=debug"]),
        // One edit from another logger's name of a level.
        ("warnig", 1, &["x=warn"], &["x=info"]),
        ("waring", 1, &["x=warn"], &["x=info"]),
        ("warnning", 1, &["x=warn"], &["x=info"]),
        ("critcal", 1, &["x=error"], &["x=warn"]),
        ("infromation", 1, &["x=info"], &["x=debug"]),
        ("a=infromation,warn", 1, &["a=info"], &["a=debug", "x=info"]),
        ("fales", 1, &[], &["x=error"]),
        ("quiet", 1, &[], &["x=error"]),
        ("disable", 1, &[], &["x=error"]),
        ("nothing", 1, &[], &["x=error"]),
        ("nil", 1, &["x=info"], &["x=debug"]),
        ("debugging", 1, &["x=debug"], &["x=trace"]),
        // A level is no target.
        ("info=", 1, &["x=info"], &["x=debug"]),
        ("warn=", 1, &["x=warn"], &["x=info"]),
        ("warning=", 1, &["x=warn"], &["x=info"]),
        ("info=debug", 1, &["x=info"], &["x=debug"]),
        ("info:debug", 1, &["x=info"], &["x=debug"]),
        ("warn,info[span]=debug", 1, &["x=warn"], &["x=info"]),
        ("info.my_crate=debug", 1, &["x=info", "my_crate=debug"], &["x=debug", "my_crate=trace"]),
        ("my_crate.info=debug,warn", 0, &["x=warn", "my_crate.info=debug"], &["x=info"]),
        ("1.0", 1, &["x=info"], &["x=debug"]),
        ("99999999999999999999", 1, &["x=info"], &["x=debug"]),
        ("1a=debug", 1, &["x=info"], &["x=debug"]),
        (".a=debug", 1, &["x=info"], &["x=debug"]),
        ("-a=debug", 1, &["x=info"], &["x=debug"]),
        // Brackets are for spans.
        ("[info]", 1, &["x=info"], &["x=debug"]),
        ("[\"warn\"]", 1, &["x=warn"], &["x=info"]),
        ("[\"warn\", \"a=debug\"]", 1, &["x=warn", "a=debug"], &["x=info"]),
        ("[warn,a=debug]", 1, &["x=warn", "a=debug"], &["x=info"]),
        ("my_crate{user}", 1, &["x=info"], &["x=debug"]),
        ("warn,my_crate{user}=debug", 1, &["x=warn"], &["my_crate=info"]),
        // Patterns that cannot be read.
        ("warn,[request{path=\"*\"}]=debug", 1, &["x=warn"], &["x=info"]),
        ("warn,[request{path=\"?x\"}]=debug", 1, &["x=warn"], &["x=info"]),
        ("warn,[s{x=(}]=debu", 1, &["x=warn"], &["x=info"]),
        ("warn,[s{x=(}]=debug", 1, &["x=warn"], &["x=info"]),
        ("warn,[s]x=debug", 1, &["x=warn"], &["x=info"]),
    ];
    for (text, reported, passing, stopped) in table {
        let (filter, bad) = Filter::parse(text);
        assert_eq!(bad.len(), *reported, "{text:?}: {bad:?}");
        let Filter::Static(targets) = filter else { panic!("{text:?} is not static") };
        let would = |directive: &&str| {
            let (target, level) = directive.split_once('=').unwrap();
            targets.would_enable(target, &level.parse().unwrap())
        };
        assert!(passing.iter().all(would), "{text:?}: {passing:?}");
        assert!(!stopped.iter().any(would), "{text:?}: {stopped:?}");
    }
}

/// Every text of up to five punctuation marks.
#[test]
fn texts_without_a_name_or_level_are_reported_and_the_default_is_used() {
    let mut texts = vec![String::new()];
    for _ in 0..5 {
        let longer = |text: &String| MARKS.chars().map(|mark| format!("{text}{mark}")).collect::<Vec<_>>();
        texts = texts.iter().flat_map(longer).collect();
        for text in &texts {
            let (filter, bad) = Filter::parse(text);
            let is_default = matches!(&filter, Filter::Static(_)) && filter.floor() == filter.ceiling();
            assert!(is_default && filter.ceiling() == DEFAULT_LEVEL, "{text:?}: {filter:?}, {bad:?}");
            let is_empty = text.chars().all(|mark| mark == ',');
            assert!(is_empty || bad.iter().any(BadDirective::is_mistake), "{text:?}: {bad:?}");
        }
    }
}

/// A directive that `EnvFilter` cannot read must not cost the others.
#[test]
fn a_wrong_directive_beside_one_for_spans_is_reported_and_left_out() {
    for wrong in [
        "[request{path=\"*\"}]=debug",
        "[request{path=\"?x\"}]=debug",
        "[s{x=(}]=debu",
        "[s{x=(}]",
        ".foo",
        "-foo=warn",
        "1.0",
        "{user}=debug",
    ] {
        let (filter, bad) = Filter::parse(&format!("info,[checkout]=debug,{wrong}"));
        let Filter::Dynamic(filter) = &filter else { panic!("{wrong}: {filter:?}") };
        assert!(bad.iter().any(BadDirective::is_mistake), "{wrong}");
        assert!(filter.interest(&INFO_EVENT).is_always(), "{wrong}: {filter:?}");
    }
}

/// The callsite of an INFO event.
struct InfoEvent;

impl callsite::Callsite for InfoEvent {
    fn set_interest(&self, _: Interest) {}
    fn metadata(&self) -> &Metadata<'_> {
        &INFO_EVENT
    }
}

static INFO_EVENT: Metadata<'static> = tracing_core::metadata! {
    name: "event",
    target: "my_crate",
    level: Level::INFO,
    fields: &[],
    callsite: &InfoEvent,
    kind: tracing_core::Kind::EVENT
};

#[test]
fn values_that_look_like_secrets_select_spans() {
    for text in [
        "info,[login{user=\"a@b.c\"}]=debug",
        "info,[req{id=0af7651916cd43dd8448eb211c80319c}]=debug",
        "info,[authorization]=debug",
    ] {
        let (filter, bad) = Filter::parse(text);
        assert!(matches!(filter, Filter::Dynamic(_)) && bad.is_empty(), "{text}: {bad:?}");
    }
}

#[test]
fn no_part_of_a_secret_is_in_a_report() {
    for text in [
        "password=S3CRET",
        "info,api_key=S3CRET,x-team=S3CRET",
        "Authorization: Bearer S3CRET",
        "Bearer S3CRET!,S3CRET!",
        "warn,a=S3CRET,sk-live-S3CRET0123456789abcdef",
        "[login{password=S3CRET(}]=debug",
        "info,a/secret S3CRET",
        "\"secret=S3CRET\"",
        "https://u:S3CRET@host",
        "warn,[secret*S3CRET]=debug",
    ] {
        let (_, bad) = Filter::parse(text);
        let shown = format!("{bad:?} {} {:?}", FilterError::new(bad.clone()), FilterError::new(bad.clone()));
        assert!(!bad.is_empty() && !shown.contains("S3CRET"), "{text}: {shown}");
    }
    let (_, bad) = Filter::parse("warn,my_app::authorization=debug,a=loud");
    assert_eq!(bad[0].text, "a=loud");
}

#[test]
fn nested_quotes_are_reported_once() {
    let quotes = "\"".repeat(50_000);
    let (filter, bad) = Filter::parse(&format!("{quotes}warn{quotes}"));
    assert_eq!((filter.ceiling(), bad.len()), (LevelFilter::WARN, 1));
}

const MARKS: &str = ":=,[]{}-\"/";

#[test]
fn span_directives_without_effect_are_hints() {
    let hints = |text: &str| {
        let (filter, bad) = Filter::parse(text);
        assert!(matches!(filter, Filter::Dynamic(_)), "{text}");
        assert!(bad.iter().all(|bad| !bad.is_mistake()), "{text}: {bad:?}");
        bad.len()
    };
    assert_eq!(hints("info,[request]=debug"), 0);
    assert_eq!(hints("info,[request]=warn"), 1);
    assert_eq!(hints("info,my_crate[request]=info"), 1);
    assert_eq!(hints("info,my_crate=off,my_crate[request]=info"), 0);
    assert_eq!(hints("info,[{user=7}]=debug"), 1);
    assert_eq!(hints("info,[request{user=7}]=debug"), 0);
    assert_eq!(hints(r#"info,[request{user="ann"}]=debug"#), 0);
    assert_eq!(hints("info,[req*]=debug"), 1);
    assert_eq!(hints("info,[a,b]=debug"), 1);
    assert_eq!(hints(r#"info,[s{x="a,b"}]=debug"#), 1);
    assert_eq!(hints("info,[s{user:7}]=debug"), 1);
    assert_eq!(hints("info,[repo::save{user,id=7}]=debug"), 0);
    assert_eq!(hints("info,[s{x=a.*}]=debug"), 0);
}

#[test]
fn statically_disabled_levels_are_reported_once_and_lowered() {
    let parsed = |text| directives::parse(text, LevelFilter::INFO);
    for text in ["debug", "warn,a=trace,b=debug", "info,[request]=debug", "a,b=debug"] {
        let (filter, bad) = parsed(text);
        assert_eq!(filter.ceiling(), LevelFilter::INFO, "{text}");
        let [hint] = &bad[..] else { panic!("{text}: {bad:?}") };
        assert!(!hint.is_mistake() && hint.reason.contains("max_level"), "{text}: {hint}");
    }
    for text in ["info", "my_crate", "warn,a=info"] {
        assert_eq!(parsed(text).1, [], "{text}");
    }
}
