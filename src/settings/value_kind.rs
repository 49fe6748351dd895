//! Kinds of values: how each is parsed, checked and displayed.
//!
//! | kind | zero | text |
//! |---|---|---|
//! | [`DURATION`] | refused | milliseconds |
//! | [`DELAY`] | at once | milliseconds |
//! | [`TIMEOUT`] | no limit | milliseconds |
//! | [`COUNT`] | refused | a whole number |
//! | [`LIMIT`] | nothing is kept | a whole number |
//! | [`LENGTH`] | empty texts | a whole number; absent for no limit |
//!
//! A kind that may hold a secret has a `quote` that hides it, so that no message can show it by mistake.
//!
//! A setting with a kind of its own, which no other shares, defines it beside itself (`SAMPLER_KIND`, `PROTOCOL`). The
//! functions at the end of this file are the parts that such kinds are made of.
//!
//! Times are whole milliseconds, as the specification has them for all of its variables. A unit behind the number,
//! which people write, is refused with the number that was probably meant: `10s: not a whole number of milliseconds:
//! write 10000`.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use opentelemetry_sdk::metrics::Temporality;
use percent_encoding::percent_decode_str;
use tracing_core::LevelFilter;

use super::env::items;
use super::secrets::{quoted, shown, shown_name};
use super::types::{Compression, HistogramAggregation, LogFormat};

#[cfg(test)]
mod tests;

/// The fault of a value, as the end of a sentence: "not a whole number".
pub(super) type Reason = Cow<'static, str>;

/// How values of one kind are read, checked and shown. All settings of a kind share one constant.
///
/// It is data, not a trait: a setting names its kind (`DURATION`), one kind extends another (`..TEXT`), and no type
/// needs to be invented for a different check of the same value.
pub(super) struct Kind<T> {
    /// Reads the text of a variable. Blanks around it are gone already.
    pub(super) parse: fn(&str) -> Result<T, Reason>,
    /// Checks what `parse` cannot check, or what a value from code may violate.
    pub(super) check: fn(&T) -> Result<(), Reason>,
    /// The value as the documentation and messages show it.
    pub(super) show: fn(&T) -> String,
    /// The text of a variable as it may be shown.
    pub(super) quote: fn(&str) -> String,
}

impl<T> Kind<T> {
    /// Reads and checks.
    ///
    /// # Errors
    ///
    /// The reason, as the end of a sentence that begins with the value.
    pub(super) fn read(&self, text: &str) -> Result<T, Reason> {
        let value = (self.parse)(text)?;
        (self.check)(&value)?;
        Ok(value)
    }
}

/// A time that must pass: an interval.
pub(super) const DURATION: Kind<Duration> = Kind {
    parse: milliseconds,
    check: |duration| match *duration {
        Duration::ZERO => Err("must be at least 1 ms".into()),
        other => at_most_a_year(other),
    },
    show: |duration| format!("{duration:?}"),
    quote: plain,
};

/// A time that may pass before something happens; zero means at once.
pub(super) const DELAY: Kind<Duration> = Kind {
    parse: milliseconds,
    check: |duration| at_most_a_year(*duration),
    show: |duration| format!("{duration:?}"),
    quote: plain,
};

/// A limit in time; zero means none.
pub(super) const TIMEOUT: Kind<Duration> = Kind {
    parse: milliseconds,
    check: |duration| at_most_a_year(*duration),
    show: |duration| if duration.is_zero() { "no limit".into() } else { format!("{duration:?}") },
    quote: plain,
};

/// A number of things, at least one.
pub(super) const COUNT: Kind<usize> = Kind {
    parse: |text| text.parse().map_err(|_| NOT_A_NUMBER.into()),
    check: |count| if *count == 0 { Err("must be at least 1".into()) } else { Ok(()) },
    show: usize::to_string,
    quote: plain,
};

/// A limit that may be zero.
pub(super) const LIMIT: Kind<u32> = Kind {
    parse: |text| text.parse().map_err(|_| NOT_A_NUMBER.into()),
    check: any,
    show: u32::to_string,
    quote: plain,
};

/// A limit that may be absent; the largest number stands for none.
///
/// Lengths are counted in characters. The specification has no word for "no limit": an absent variable means that.
pub(super) const LENGTH: Kind<Option<usize>> = Kind {
    parse: |text| match text.parse() {
        Ok(usize::MAX) => Ok(None),
        Ok(length) => Ok(Some(length)),
        Err(_) => Err(NOT_A_NUMBER.into()),
    },
    check: any,
    show: |length| length.map_or_else(|| "no limit".into(), |length| length.to_string()),
    quote: plain,
};

/// Free text.
pub(super) const TEXT: Kind<String> =
    Kind { parse: |text| Ok(text.to_owned()), check: any, show: |text| quoted(text), quote: plain };

/// Directives of a filter, which checks their syntax.
pub(super) const DIRECTIVES: Kind<Cow<'static, str>> = Kind {
    parse: |text| Ok(text.to_owned().into()),
    check: any,
    show: |directives| quoted(directives),
    quote: plain,
};

/// A name, which is not empty.
pub(super) const NAME: Kind<String> = Kind {
    check: |name| if name.trim().is_empty() { Err("empty".into()) } else { Ok(()) },
    show: |name| shown(name).into_owned(),
    ..TEXT
};

/// `true` or `false`.
pub(super) const FLAG: Kind<bool> = Kind {
    parse: |text| {
        one_of(text, &[("true", true), ("false", false)]).map_err(|_| "neither true nor false".into())
    },
    check: any,
    show: bool::to_string,
    quote: plain,
};

/// A variable that counts when it is set, whatever its value.
pub(super) const ANYTHING: Kind<bool> = Kind { parse: |_| Ok(true), ..FLAG };

/// A level of severity.
///
/// `trace`, `debug`, `info`, `warn`, `error`, `off`, or their numbers, in any case.
pub(super) const LEVEL: Kind<LevelFilter> = Kind {
    parse: |text| text.parse().map_err(|_| "not a level".into()),
    check: any,
    show: LevelFilter::to_string,
    quote: plain,
};

/// The sampled part of all traces.
///
/// From 0, none, to 1, all of them. NaN is refused.
pub(super) const RATIO: Kind<f64> = Kind {
    parse: |text| text.parse().map_err(|_| "not a number from 0.0 to 1.0".into()),
    check: |ratio| match ratio {
        0.0..=1.0 => Ok(()),
        _ => Err("not a number from 0.0 to 1.0".into()),
    },
    show: |ratio| format!("{ratio:?}"),
    quote: plain,
};

/// Makes the kind of values that have names. The first name of a value is the one that is shown.
macro_rules! named {
    ($($name:literal => $value:expr,)*) => {
        Kind {
            parse: |text| one_of(text, &[$(($name, $value)),*]),
            check: any,
            show: |value| {
                let mut names = [$(($name, $value)),*].into_iter();
                names.find(|(_, known)| known == value).map_or("", |(name, _)| name).to_owned()
            },
            quote: plain,
        }
    };
}

/// A compression. Which are available depends on the features of this crate.
///
/// A compression that was left out of the build is refused with the name of its feature, so that an operator learns why
/// a valid word is not accepted.
pub(super) const COMPRESSION: Kind<Compression> = Kind {
    check: |compression| match compression {
        Compression::Gzip if !cfg!(feature = "gzip") => {
            Err("needs the feature `gzip` of telemetry-bootstrap".into())
        }
        Compression::Zstd if !cfg!(feature = "zstd") => {
            Err("needs the feature `zstd` of telemetry-bootstrap".into())
        }
        _ => Ok(()),
    },
    ..named! {
        "none" => Compression::None,
        "gzip" => Compression::Gzip,
        "zstd" => Compression::Zstd,
    }
};

/// The temporality of exported metrics.
pub(super) const TEMPORALITY: Kind<Temporality> = named! {
    "cumulative" => Temporality::Cumulative,
    "delta" => Temporality::Delta,
    "lowmemory" => Temporality::LowMemory,
};

/// The aggregation of histograms that no view is for.
pub(super) const HISTOGRAMS: Kind<HistogramAggregation> = named! {
    "explicit_bucket_histogram" => HistogramAggregation::ExplicitBuckets,
    "base2_exponential_bucket_histogram" => HistogramAggregation::Base2Exponential,
};

/// The format of log lines.
///
/// `none` is what other languages call `off`.
pub(super) const LOG_FORMAT: Kind<LogFormat> = named! {
    "auto" => LogFormat::Auto,
    "json" => LogFormat::Json,
    "pretty" => LogFormat::Pretty,
    "off" => LogFormat::Off,
    "none" => LogFormat::Off,
};

/// Names and values of headers, each of which [`header`] accepts.
pub(super) type Headers = Vec<(String, String)>;

/// A list of `name=value`, percent-encoded; values are secrets.
///
/// In a variable, entries with mistakes are left out and reported by [`header_list`]'s callers; only a variable without
/// any good entry is invalid as a whole. In code, each mistake is an error.
pub(super) const HEADERS: Kind<Headers> = Kind {
    parse: |text| {
        let (headers, mistakes) = header_list(text);
        match mistakes.into_iter().next() {
            Some(reason) if headers.is_empty() => Err(reason),
            _ => Ok(headers),
        }
    },
    check: |headers| headers.iter().try_for_each(|(name, value)| header(name, value).map(drop)),
    show: |headers| {
        let is_wrong = |(name, value): &&(String, String)| header(name, value).is_err();
        let wrong: Vec<_> = headers.iter().filter(is_wrong).collect();
        let names: Vec<_> = match wrong.is_empty() {
            true => headers.iter().map(|(name, _)| shown_name(name).into_owned()).collect(),
            false => wrong.iter().map(|(name, _)| format!("{}: [redacted]", shown_name(name))).collect(),
        };
        if names.is_empty() { "no headers".into() } else { names.join(", ") }
    },
    quote: |_| "[redacted]".into(),
};

/// One header of an export request. The reason names the header at most, never its value.
///
/// # Errors
///
/// A name that HTTP does not allow, a header that the transport sets itself, and a value with characters outside of
/// printable ASCII, which receivers decode differently.
pub(super) fn header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), Reason> {
    let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "a header's name is not valid")?;
    if RESERVED_HEADERS.contains(&name.as_str()) || name.as_str().starts_with("grpc-") {
        return Err(format!("the header {name} belongs to the protocol itself").into());
    }
    let mut value = printable_header_value(value)
        .ok_or_else(|| format!("the value of the header {name} is not printable ASCII"))?;
    // HTTP/2 then does not keep it in its compression tables.
    value.set_sensitive(true);
    Ok((name, value))
}

/// Returns the value of a header, or `None` for text that is not printable ASCII.
pub(crate) fn printable_header_value(text: &str) -> Option<HeaderValue> {
    // Other text would be sent as UTF-8.
    HeaderValue::from_str(text).ok().filter(|value| value.to_str().is_ok())
}

/// Returns the entries of a list of headers that can be used, and what is wrong with the others. The last value of a
/// name counts.
pub(super) fn header_list(text: &str) -> (Headers, Vec<Reason>) {
    let (mut headers, mut mistakes) = (Headers::new(), Vec::new());
    for (index, entry) in items(text).enumerate() {
        let entry = pair(entry).map_err(|reason| at_entry(index, reason));
        match entry.and_then(|(name, value)| header(&name, &value).map(|_| (name, value))) {
            Ok(pair) => push_header(&mut headers, pair),
            Err(reason) => mistakes.push(reason),
        }
    }
    (headers, mistakes)
}

/// Adds a header, in place of an earlier one of its name.
pub(super) fn push_header(headers: &mut Headers, header: (String, String)) {
    headers.retain(|(name, _)| !name.eq_ignore_ascii_case(&header.0));
    headers.push(header);
}

/// A list in the form of W3C baggage without properties: `key=value,key=value`, keys and values percent-encoded.
///
/// The reasons count the entries instead of showing them.
pub(super) fn pairs(text: &str) -> Result<Vec<(String, String)>, Reason> {
    items(text)
        .enumerate()
        .map(|(index, entry)| pair(entry).map_err(|reason| at_entry(index, reason)))
        .collect()
}

/// Reads one `key=value`.
fn pair(entry: &str) -> Result<(String, String), &'static str> {
    let (key, value) = entry.split_once('=').ok_or("has no `=`")?;
    let key = percent_decoded(key.trim())?;
    if key.is_empty() {
        return Err("has no key");
    }
    Ok((key, percent_decoded(value.trim())?))
}

/// Says which entry of a list is wrong, without showing it.
///
/// Entries are counted from 1.
fn at_entry(index: usize, reason: &str) -> Reason {
    format!("entry {} {reason}", index + 1).into()
}

/// Decodes escapes.
///
/// # Errors
///
/// A `%` without two hexadecimal digits behind it, and bytes that are not UTF-8.
fn percent_decoded(text: &str) -> Result<String, &'static str> {
    // The library passes over an escape that is none; the specification calls it an error.
    let broken = text.split('%').skip(1).any(|rest| !rest.as_bytes().get(..2).is_some_and(is_hex));
    if broken {
        return Err("has a `%` that is not followed by two hexadecimal digits");
    }
    let decoded = percent_decode_str(text).decode_utf8().map_err(|_| "is not UTF-8 when decoded")?;
    Ok(decoded.into_owned())
}

/// Returns `true` if all bytes are hexadecimal digits.
fn is_hex(bytes: &[u8]) -> bool {
    bytes.iter().all(u8::is_ascii_hexdigit)
}

/// A zero limit means none in OTLP, but must still be a time that can be added to another.
pub(super) fn or_unlimited(timeout: Duration) -> Duration {
    if timeout.is_zero() { YEAR } else { timeout }
}

/// Reads a whole number of milliseconds, as the specification's variables have it.
fn milliseconds(text: &str) -> Result<Duration, Reason> {
    text.parse().map(Duration::from_millis).map_err(|_| match with_unit(text) {
        Some(milliseconds) => format!("{NOT_MILLISECONDS}: write {milliseconds}").into(),
        None => NOT_MILLISECONDS.into(),
    })
}

/// Returns the milliseconds of a time that was written with a unit, such as `10s`.
///
/// `None` if the text is no time, or one longer than a year.
fn with_unit(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|character: char| character.is_ascii_alphabetic())?);
    let units = [("ms", 1.0), ("s", 1e3), ("sec", 1e3), ("m", 6e4), ("min", 6e4), ("h", 3.6e6)];
    let milliseconds = number.trim().parse::<f64>().ok()? * one_of(unit, &units).ok()?;
    (0.0..=YEAR.as_millis() as f64).contains(&milliseconds).then_some(milliseconds.round() as u64)
}

/// Refuses longer times: they are mistakes, and would overflow when they are added to a clock.
fn at_most_a_year(duration: Duration) -> Result<(), Reason> {
    if duration > YEAR { Err("more than a year".into()) } else { Ok(()) }
}

/// The value of a name, whatever its case.
pub(super) fn one_of<T: Clone>(text: &str, choices: &[(&str, T)]) -> Result<T, Reason> {
    let found = choices.iter().find(|(name, _)| name.eq_ignore_ascii_case(text));
    found.map(|(_, value)| value.clone()).ok_or_else(|| {
        let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
        format!("not one of {}", names.join(", ")).into()
    })
}

/// Accepts every value.
pub(super) fn any<T>(_: &T) -> Result<(), Reason> {
    Ok(())
}

/// Returns the text in quotes, unless it may hold a secret.
pub(super) fn plain(text: &str) -> String {
    quoted(text)
}

/// The longest time: more would overflow in additions.
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The reason that kinds of numbers share.
const NOT_MILLISECONDS: &str = "not a whole number of milliseconds";
const NOT_A_NUMBER: &str = "not a whole number";
/// Headers that the transport sets itself.
const RESERVED_HEADERS: [&str; 10] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "host",
    "keep-alive",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];
