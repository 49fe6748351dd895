//! Whatever a peer answers to an export request: it becomes one short line, and a pause that can be waited for.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use telemetry_bootstrap::testing::fuzzing;

#[derive(arbitrary::Arbitrary, Debug)]
struct Answer<'a> {
    protocol: u8,
    /// An HTTP status, or one of those that mean something.
    status: u16,
    content_type: u8,
    grpc_status: Option<i32>,
    in_trailers: bool,
    message: &'a [u8],
    details: &'a [u8],
    retry_after: &'a [u8],
    more: (&'a str, &'a [u8]),
    body: &'a [u8],
}

fuzz_target!(|answer: Answer<'_>| {
    let content_type = CONTENT_TYPES[usize::from(answer.content_type) % CONTENT_TYPES.len()];
    let status = match STATUSES.get(usize::from(answer.status)) {
        Some(status) => *status,
        None => answer.status % 1000,
    };
    let grpc_status = answer.grpc_status.map(|status| status.to_string()).unwrap_or_default();
    let mut of_status = vec![("grpc-message", answer.message), ("grpc-status-details-bin", answer.details)];
    if answer.grpc_status.is_some() {
        of_status.push(("grpc-status", grpc_status.as_bytes()));
    }
    let mut headers = vec![("content-type", content_type.as_bytes()), answer.more];
    if !answer.retry_after.is_empty() {
        headers.push(("retry-after", answer.retry_after));
    }
    let trailers = if answer.in_trailers { std::mem::take(&mut of_status) } else { Vec::new() };
    headers.extend(of_status);
    let Some((text, pause)) = fuzzing::answer(answer.protocol, status, &headers, answer.body, &trailers) else {
        return;
    };
    assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
    assert!(text.chars().count() < 500, "{text:?}");
    let seconds = std::str::from_utf8(answer.retry_after).ok();
    let seconds = seconds.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    // A page that names gRPC as its type is refused, whatever its status.
    let is_busy = answer.protocol % 3 != 0 && [429, 503].contains(&status) && content_type != CONTENT_TYPES[0];
    let names_one = !answer.more.0.eq_ignore_ascii_case("retry-after")
        && !answer.more.0.eq_ignore_ascii_case("content-type");
    if let (true, true, Some(seconds)) = (is_busy, names_one, seconds.and_then(|text| text.parse().ok())) {
        assert_eq!(pause, Some(Duration::from_secs(seconds)));
    }
    assert!(pause.is_none() || status != 200 || answer.protocol % 3 == 0, "a success with a pause: {pause:?}");
});

const CONTENT_TYPES: [&str; 6] =
    ["application/grpc", "application/x-protobuf", "application/json", "text/html", "", "application/json; a=b"];
const STATUSES: [u16; 10] = [200, 204, 301, 400, 401, 404, 413, 429, 502, 503];
