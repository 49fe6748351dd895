//! Valid conversations with a few things wrong, the same in every run.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::Request;

use crate::grpc_support::random::Random;
use crate::grpc_support::*;
use crate::reply::{OK, code_name, head, one, outcome, trailers};
use crate::wire::*;
use crate::{Served, Side, channel, codes, soon};

const WORKERS: u64 = 8;
const CONNECTIONS: u64 = 50;

/// A client's side of a few calls, frame by frame.
fn calls() -> Vec<Vec<u8>> {
    let message = |text| message(&ask(2, text));
    vec![
        PREFACE.to_vec(),
        frame(SETTINGS, 0, 0, []),
        open(1, UNARY),
        data(1, END_STREAM, message("ok")),
        open(3, BIDI),
        data(3, 0, message("ok")),
        open(5, SERVER_STREAM),
        data(5, END_STREAM, message("14")),
        window_update(0, 1_000),
        data(3, 0, message("ok")),
        open(7, CLIENT_STREAM),
        data(7, 0, message("5")),
        frame(PRIORITY, 0, 9, [0, 0, 0, 1, 7]),
        open(9, BIDI),
        data(9, 0, message("hang")),
        data(7, END_STREAM, message("5")),
        reset(9, 8),
        data(3, END_STREAM, message("ok")),
        open(11, UNARY),
        data(11, END_STREAM, message("hang")),
        frame(PING, 0, 0, ECHO),
    ]
}

/// A server's side of one call.
fn answer() -> Vec<Vec<u8>> {
    vec![
        frame(SETTINGS, 0, 0, []),
        window_update(0, 1_000),
        headers(1, 0, &[(":status", b"103")]),
        head(),
        one(),
        frame(PING, 0, 0, ECHO),
        one(),
        trailers(OK),
    ]
}

const ECHO: [u8; 8] = *b"all read";

/// Up to three things go wrong.
fn spoil(mut frames: Vec<Vec<u8>>, random: &mut Random) -> Vec<u8> {
    for _ in 0..random.next(4) {
        let at = random.next(frames.len() as u64) as usize;
        match random.next(7) {
            0 => flip(&mut frames[at], random),
            1 => {
                let length = random.next(frames[at].len() as u64 + 1) as usize;
                frames[at].truncate(length);
            }
            2 => frames.insert(at, frames[at].clone()),
            3 => drop(frames.remove(at)),
            4 => {
                let other = random.next(frames.len() as u64) as usize;
                frames.swap(at, other);
            }
            5 => frames.insert(at, any_frame(random)),
            _ => frames.insert(at, any_bytes(random)),
        }
    }
    frames.concat()
}

fn flip(frame: &mut [u8], random: &mut Random) {
    if frame.is_empty() {
        return;
    }
    let at = random.next(frame.len() as u64) as usize;
    frame[at] ^= 1 << random.next(8);
}

fn any_frame(random: &mut Random) -> Vec<u8> {
    let (kind, flags) = (random.next(11) as u8, random.next(64) as u8);
    frame(kind, flags, random.next(14) as u32, any_bytes(random))
}

fn any_bytes(random: &mut Random) -> Vec<u8> {
    (0..random.next(40)).map(|_| random.next(256) as u8).collect()
}

/// Some clients wait for answers, for a moment; some hang up at once.
async fn spoiled_calls(served: &Served, mut random: Random) {
    for _ in 0..CONNECTIONS {
        let mut peer = Connection::connect(served.address).await;
        peer.send(&spoil(calls(), &mut random)).await;
        let patience = Duration::from_millis(random.next(2) * random.next(20));
        let echo = peer.read_until(|frame| frame.is(PING, ACK, 0) && *frame.payload == ECHO);
        drop(tokio::time::timeout(patience, echo).await);
        peer.finish().await;
        soon("hanging up", async { while peer.read().await.is_some() {} }).await;
    }
}

#[tokio::test]
async fn spoiled_calls_leave_one_span_and_one_measurement_each() {
    let served = Served::start().await;
    let workers = (1..=WORKERS).map(|seed| spoiled_calls(&served, Random(seed * 0x9e37_79b9)));
    let mut workers = std::pin::pin!(futures_util::future::join_all(workers));
    while futures_util::poll!(&mut workers).is_pending() {
        served.serves("spoiled").await;
    }
    served.serves("spoiled").await;
    let spans = served.side.settled("spoiled").await;
    let codes: BTreeSet<_> = codes(&spans).into_iter().collect();
    let expected = ["OK", "CANCELLED", "UNKNOWN", "UNAVAILABLE", "NOT_FOUND", "INTERNAL"];
    assert!(expected.iter().all(|code| codes.contains(*code)), "{codes:?}");
}

/// Answers the first call of each connection, not quite.
async fn spoiled_answers(listener: TcpListener) {
    let mut random = Random(0x9e37_79b9);
    loop {
        let mut peer = Connection::new(listener.accept().await.unwrap().0);
        let answer = spoil(answer(), &mut random);
        tokio::spawn(async move {
            peer.preface().await;
            peer.read_until(|frame| frame.is(DATA, END_STREAM, 1)).await;
            peer.send(&answer).await;
            peer.finish().await;
            while peer.read().await.is_some() {}
        });
    }
}

#[tokio::test]
async fn spoiled_answers_leave_one_span_and_one_measurement_each() {
    let side = Side::new("client");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(spoiled_answers(listener));
    for _ in 0..WORKERS * CONNECTIONS {
        let mut client = channel(&side, address);
        let call = outcome(&side, &mut client, Request::new(ask(1, "ok")), oneshot::channel().0);
        let seen = code_name(soon("an answer", call).await);
        let recorded =
            side.recorded.spans().last().and_then(|span| attribute(span, "rpc.status_code")).unwrap();
        // What a caller cannot decode is no status of the call's.
        let undecodable =
            ["INTERNAL", "OUT_OF_RANGE"].contains(&&*seen) && ["CANCELLED", "UNKNOWN"].contains(&&*recorded);
        assert!(seen == recorded || undecodable, "seen {seen}, recorded {recorded}");
    }
    let codes: BTreeSet<_> = codes(&side.settled("spoiled").await).into_iter().collect();
    assert!(["OK", "UNKNOWN", "INTERNAL"].iter().all(|code| codes.contains(*code)), "{codes:?}");
}
