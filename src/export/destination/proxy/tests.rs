//! Answers of proxies as they can come: in pieces, followed by the receiver's first bytes, cut off, endless, or of
//! something else.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

use super::*;
use crate::settings::ProxyLogin;

const EARLY: &[u8] = b"bytes of the receiver";

fn http() -> ProxyProtocol {
    ProxyProtocol::Http { authorization: None }
}

fn socks(has_login: bool) -> ProxyProtocol {
    let login = has_login.then(|| ProxyLogin { user: b"user".to_vec(), password: b"p@ss".to_vec() });
    ProxyProtocol::Socks5 { login }
}

/// Opens a tunnel through a proxy that sends this, in pieces of `size` bytes, and then closes. Returns what the
/// receiver would have sent.
async fn open_in_pieces(
    protocol: ProxyProtocol,
    host: &str,
    answer: &[u8],
    size: usize,
) -> Result<Vec<u8>, ProxyError> {
    let (mut client, server) = duplex(size);
    let (mut requests, mut answers) = tokio::io::split(server);
    let answer = answer.to_vec();
    let sent = tokio::spawn(async move {
        let _ = answers.write_all(&answer).await;
        let _ = answers.shutdown().await;
    });
    let read = tokio::spawn(async move { tokio::io::copy(&mut requests, &mut tokio::io::sink()).await });
    let proxy = Proxy { uri: "http://proxy:3128/".parse().unwrap(), protocol, origin: "HTTP_PROXY".into() };
    let opened = open_tunnel(&mut client, &proxy, host, 4317).await;
    let mut rest = Vec::new();
    if opened.is_ok() {
        client.read_to_end(&mut rest).await.unwrap();
    }
    sent.abort();
    read.abort();
    opened.map(|()| rest)
}

async fn open(protocol: ProxyProtocol, answer: &[u8]) -> Result<Vec<u8>, ProxyError> {
    open_in_pieces(protocol, "collector", answer, 1 << 16).await
}

/// The whole answer at once, and byte by byte.
async fn assert_opens(protocol: ProxyProtocol, answer: &[u8]) {
    let answer = [answer, EARLY].concat();
    for size in [1, 3, 1 << 16] {
        let rest = open_in_pieces(protocol.clone(), "collector", &answer, size).await;
        assert_eq!(rest.unwrap(), EARLY, "{}", answer.escape_ascii());
    }
}

async fn assert_refused(protocol: ProxyProtocol, answer: &[u8], cause: Cause, words: &str) {
    let error = open(protocol, answer).await.expect_err(&answer.escape_ascii().to_string());
    assert_eq!((error.cause(), error.to_string().contains(words)), (cause, true), "{error}");
}

#[tokio::test]
async fn a_tunnel_is_open_after_any_success_and_keeps_what_follows() {
    for answer in [
        &b"HTTP/1.1 200 Connection established\r\n\r\n"[..],
        b"HTTP/1.0 200 OK\r\nvia: a\r\ncontent-length: 5\r\n\r\n",
        b"HTTP/1.1 204 \r\n\r\n",
        b"HTTP/1.1 200\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 102 Processing\r\na: b\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    ] {
        assert_opens(http(), answer).await;
    }
}

#[tokio::test]
async fn any_other_answer_of_http_is_a_refusal_with_its_words() {
    let auth = b"HTTP/1.1 407 Proxy Authentication Required\r\nproxy-authenticate: Basic\r\n\r\n";
    assert_refused(http(), auth, Cause::ProxyAuthentication, "407 Proxy Authentication Required").await;
    // tinyproxy, if the password is wrong.
    let wrong = b"HTTP/1.0 401 Unauthorized\r\nserver: tinyproxy/1.11.1\r\n\r\n";
    assert_refused(http(), wrong, Cause::ProxyAuthentication, "401 Unauthorized").await;
    for (answer, words) in [
        (&b"HTTP/1.1 502 Bad \x1b[31mGateway\r\n\r\n"[..], "502 Bad [31mGateway"),
        (b"HTTP/1.1 301 Moved\r\nlocation: http://other\r\n\r\n", "301 Moved"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "101 Switching Protocols"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "something other than HTTP"),
        (b"HTTP/1.1 20 OK\r\n\r\n", "something other than HTTP"),
        (b"HTTP/1.1 +20 OK\r\n\r\n", "something other than HTTP"),
        (b"HTTP/2.0 200 OK\r\n\r\n", "something other than HTTP"),
        (b"ICY 200 OK\r\n\r\n", "something other than HTTP"),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "something other than HTTP"),
        (b"\r\n\r\n", "something other than HTTP"),
    ] {
        assert_refused(http(), answer, Cause::ProxyRefused, words).await;
    }
}

#[tokio::test]
async fn answers_that_break_off_or_never_end_are_given_up() {
    for answer in [&b""[..], b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"] {
        assert_refused(http(), answer, Cause::ProxySilent, "closed the connection").await;
    }
    let header = [b"HTTP/1.1 200 OK\r\n".to_vec(), b"a: b\r\n".repeat(20_000)].concat();
    for answer in [header, b"x".repeat(100_000), b"HTTP/1.1 100 Continue\r\n\r\n".repeat(20_000)] {
        assert_refused(http(), &answer, Cause::ProxySilent, "the answer is too long").await;
    }
}

const V4: &[u8] = &[5, 0, 0, 1, 127, 0, 0, 1, 0, 80];

#[tokio::test]
async fn a_socks_tunnel_is_open_after_a_reply_with_any_address() {
    let v6 = [&[5, 0, 0, 4][..], &[0; 16], &[0, 80]].concat();
    let name = [&[5, 0, 0, 3, 255][..], &[b'n'; 255], &[0, 80]].concat();
    for reply in [V4, &v6, &name, &[5, 0, 0, 3, 0, 0, 80]] {
        assert_opens(socks(false), &[&[5, 0], reply].concat()).await;
        // The proxy may not want the credentials.
        assert_opens(socks(true), &[&[5, 0], reply].concat()).await;
        assert_opens(socks(true), &[&[5, 2, 1, 0], reply].concat()).await;
        // Some proxies put their own version there.
        assert_opens(socks(true), &[&[5, 2, 5, 0], reply].concat()).await;
    }
}

#[tokio::test]
async fn replies_that_are_not_socks5_open_no_tunnel() {
    let other = "something other than SOCKS5";
    for (answer, cause, words) in [
        (&[4, 0][..], Cause::ProxyRefused, other),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Cause::ProxyRefused, other),
        (&[5, 0, 4, 0, 0, 1, 127, 0, 0, 1, 0, 80], Cause::ProxyRefused, other),
        (&[5, 0, 0, 90, 0, 1, 127, 0, 0, 1, 0, 80], Cause::ProxyRefused, other),
        (&[5, 0, 5, 0, 0, 9, 127, 0, 0, 1, 0, 80], Cause::ProxyRefused, other),
        (&[5, 0, 5, 4, 0, 1, 0, 0, 0, 0, 0, 0], Cause::ProxyRefused, "host unreachable"),
        (&[5, 0, 5, 200, 0, 1, 0, 0, 0, 0, 0, 0], Cause::ProxyRefused, "an unknown reply"),
        (&[5, 2], Cause::ProxyAuthentication, "other credentials"),
        (&[5, 1], Cause::ProxyAuthentication, "other credentials"),
        (&[5, 255], Cause::ProxyAuthentication, "other credentials"),
    ] {
        assert_refused(socks(false), answer, cause, words).await;
    }
    let wrong = Cause::ProxyAuthentication;
    assert_refused(socks(true), &[5, 2, 1, 1], wrong, "user name or password is wrong").await;
    for answer in [&[][..], &[5], &[5, 0], &[5, 0, 5, 0, 0, 3, 255, 1], &[5, 0, 5, 0, 0, 4, 0, 0]] {
        assert_refused(socks(false), answer, Cause::ProxySilent, "closed the connection").await;
    }
}

#[tokio::test]
async fn host_names_that_socks_cannot_carry_are_not_cut() {
    let answer = [&[5, 0], V4].concat();
    let open = |length| {
        let (name, answer) = ("n".repeat(length), answer.clone());
        async move { open_in_pieces(socks(false), &name, &answer, 1 << 16).await }
    };
    open(255).await.unwrap();
    let error = open(256).await.unwrap_err();
    assert!(error.to_string().contains("no names of more than 255 bytes"), "{error}");
}
