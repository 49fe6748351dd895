//! What layers for gRPC servers cost: a unary call over the loopback, processor time of the server's whole process.
//!
//! The handler records nothing, so what is measured is the layer and what it needs to export. The client is this
//! process, and does not count.

#[path = "../support/mod.rs"]
mod support;

#[path = "../support/calls.rs"]
mod calls;

#[path = "../../examples/grpc_service/proto.rs"]
mod proto;

mod layers;
mod stack;

use std::cell::RefCell;

use calls::Client;
use criterion::Criterion;
use support::load::{SAMPLED, TURN, UNSAMPLED};
use support::{Budget, Collector, Side, compare};

fn main() {
    support::main(layers::ROLES, bench);
}

fn bench(criterion: &mut Criterion) {
    let collector = Collector::start();
    let server =
        |role: &str, traceparent| RefCell::new(Client::of(Side::start(role, &collector), traceparent));
    let bare = server("bare", SAMPLED);
    let mut against_bare = |name: String, role: &str, traceparent| {
        let server = server(role, traceparent);
        let reference = ("the call without telemetry", |calls| bare.borrow_mut().cpu(calls));
        let measured = |calls| server.borrow_mut().cpu(calls);
        compare(criterion, &name, Budget::NONE, TURN, measured, reference);
    };
    for (role, _) in layers::ROLES.iter().filter(|(role, _)| *role != "bare") {
        against_bare(format!("call, {role}"), role, SAMPLED);
        if role.ends_with(": traces") {
            against_bare(format!("call, {role}, unsampled"), role, UNSAMPLED);
        }
    }
}
