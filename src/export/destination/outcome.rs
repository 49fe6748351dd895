//! The outcome of a request, in terms of no particular protocol.
//!
//! An [`Outcome`] says what to do with the batch; the [`Cause`] in its [`Failure`] says what to tell the operator, and
//! how the worker and the connection react:
//!
//! | question | causes | effect |
//! |---|---|---|
//! | [`is_answer`](Cause::is_answer) | a receiver or gateway has answered | the request is not unanswered any more |
//! | [`is_absence`](Cause::is_absence) | nothing is there, or it cannot be spoken to | a flush fails at once, the shutdown gives up |
//! | [`needs_new_connection`](Cause::needs_new_connection) | the connection may be at fault | the next request connects anew |
//! | [`concerns_signal`](Cause::concerns_signal) | the items or their signal are at fault | an outage of the signal alone |
//! | [`is_final`](Cause::is_final) | the destination is gone for good | reported once, without reminders |

use std::borrow::Cow;
use std::time::Duration;

use crate::export::queue::ResponseStatus;
use crate::settings::Signal;

/// The outcome of one request.
///
/// The table in `delivery::worker::outcome` shows how a worker handles each of them.
#[derive(Debug)]
pub(in crate::export) enum Outcome {
    /// The receiver accepted it, in part or as a whole.
    Delivered {
        /// The number of items that the receiver rejected, with its reason. 0 if it took all.
        rejected: u64,
        /// The reason, or a warning of the receiver. Empty if there is none.
        message: String,
        /// The status of the answer. `None` if the destination has none.
        status: Option<ResponseStatus>,
    },
    /// The destination took it, and counts a part of it itself.
    Held {
        /// The items that it counts. All others are delivered.
        items: u64,
        /// The reason why the held items of this request and earlier ones could not be written. `None` if nothing was
        /// due.
        failure: Option<Failure>,
    },
    /// A later try may succeed.
    Retry(Failure),
    /// Too large for the receiver: smaller requests may succeed.
    TooLarge(Failure),
    /// No try will succeed.
    Refused(Failure),
}

impl Outcome {
    /// A success of all items, without a status.
    pub(super) fn delivered() -> Self {
        Self::Delivered { rejected: 0, message: String::new(), status: None }
    }

    /// Records whether the request was sent, and so whether its items may have caused the failure.
    pub(super) fn with_sent(mut self, is_sent: bool) -> Self {
        if let Self::Retry(failure) | Self::TooLarge(failure) | Self::Refused(failure) = &mut self {
            failure.may_come_from_items = is_sent && failure.cause.may_come_from_items();
        }
        self
    }

    /// Returns the failure, of whatever kind. `None` for a success.
    pub(in crate::export) fn failure(&self) -> Option<&Failure> {
        match self {
            Self::Delivered { .. } => None,
            Self::Held { failure, .. } => failure.as_ref(),
            Self::Retry(failure) | Self::TooLarge(failure) | Self::Refused(failure) => Some(failure),
        }
    }

    /// Appends to the text of a failure, in parentheses. `context` is not called for a success.
    pub(super) fn with_context(mut self, context: impl FnOnce() -> String) -> Self {
        if let Self::Retry(failure) | Self::TooLarge(failure) | Self::Refused(failure) = &mut self {
            failure.text = format!("{} ({})", failure.text, context());
        }
        self
    }

    /// Replaces the text of a failure, or the message of a success.
    pub(super) fn map_text(mut self, map: impl FnOnce(&str) -> String) -> Self {
        match &mut self {
            Self::Retry(failure)
            | Self::TooLarge(failure)
            | Self::Refused(failure)
            | Self::Held { failure: Some(failure), .. } => failure.text = map(&failure.text),
            Self::Delivered { message, .. } if !message.is_empty() => *message = map(message),
            Self::Delivered { .. } | Self::Held { failure: None, .. } => {}
        }
        self
    }

    /// Notes the status of the answer.
    pub(super) fn with_status(mut self, answered: Option<ResponseStatus>) -> Self {
        match &mut self {
            Self::Delivered { status, .. } => *status = answered,
            Self::Held { .. } => {}
            Self::Retry(failure) | Self::TooLarge(failure) | Self::Refused(failure) => {
                failure.status = answered;
            }
        }
        self
    }

    /// Returns `true` if the outcome is the receiver's own answer. A success always is.
    pub(super) fn is_answer(&self) -> bool {
        self.failure().is_none_or(|failure| failure.cause.is_answer())
    }
}

/// Reason for a failed request.
#[derive(Clone, Debug)]
pub(in crate::export) struct Failure {
    /// The kind of failure.
    pub(in crate::export) cause: Cause,
    /// One line of text for the operator, without credentials. Texts of a peer are shortened, without markup and
    /// control characters.
    pub(in crate::export) text: String,
    /// The pause before the next try that the receiver requests, by `Retry-After` or `RetryInfo`.
    pub(in crate::export) retry_after: Option<Duration>,
    /// The status of the answer, if there was one.
    pub(in crate::export) status: Option<ResponseStatus>,
    /// `true` if the request was sent, and what is in it may be the reason.
    pub(in crate::export) may_come_from_items: bool,
}

impl Failure {
    /// Creates a failure without a requested pause.
    pub(in crate::export) fn new(cause: Cause, text: impl Into<String>) -> Self {
        Self { cause, text: text.into(), retry_after: None, status: None, may_come_from_items: false }
    }
}

/// Declares the causes of failures, each with what to do about it. The advice names the setting to change; `{signal}` and
/// `{SIGNAL}` in it are replaced.
macro_rules! causes {
    ($($(#[$doc:meta])* $cause:ident: $advice:literal;)*) => {
        /// The cause of a failure, as far as it determines what to do about it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[cfg_attr(not(feature = "tls"), expect(dead_code, reason = "some causes come from TLS alone"))]
        pub(in crate::export) enum Cause {
            $($(#[$doc])* $cause,)*
        }

        /// Returns the text with its placeholders.
        const fn advice(cause: Cause) -> &'static str {
            match cause {
                $(Cause::$cause => $advice,)*
            }
        }
    };
}

causes! {
    /// No process listens at the address.
    ConnectionRefused:
        "no process listens there: is the collector running, and is OTEL_EXPORTER_OTLP_ENDPOINT right?";
    /// The host's name has no address.
    NameNotResolved:
        "the name has no address: is the host in OTEL_EXPORTER_OTLP_ENDPOINT right, and does the name server answer?";
    /// The process has no file descriptor left.
    NoDescriptor:
        "the limit of open files is reached: raise it (ulimit -n), or close what the program has opened";
    /// No way to the host, or no right to use the socket.
    Unreachable:
        "the host in OTEL_EXPORTER_OTLP_ENDPOINT cannot be reached from here: is the network up, is the address right, may \
         the program connect to it?";
    /// No answer to the attempt to connect.
    ConnectTimeout:
        "no answer from the host in OTEL_EXPORTER_OTLP_ENDPOINT: is it up, and does a firewall drop packets?";
    /// Closed or reset before the answer came.
    Disconnected:
        "the connection was closed before the answer: did the collector restart, does the scheme (http or https) in \
         OTEL_EXPORTER_OTLP_ENDPOINT match it, does it require a client certificate \
         (OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE)?";
    /// The peer has closed the connection and did not process the request.
    NotProcessed:
        "the collector at OTEL_EXPORTER_OTLP_ENDPOINT closes its connections: is it shutting down?";
    /// Sent, but not answered in time.
    Timeout:
        "the collector did not answer in time: is it overloaded, does a firewall drop packets, or is \
         OTEL_EXPORTER_OTLP_TIMEOUT (milliseconds) too short?";
    /// `https://`, but the peer does not speak TLS.
    PlaintextPeer:
        "the scheme (http or https) does not match: the collector does not speak TLS, so write http:// in \
         OTEL_EXPORTER_OTLP_ENDPOINT";
    /// `http://`, but the peer speaks TLS.
    TlsPeer:
        "the scheme (http or https) does not match: the collector speaks TLS, so write https:// in \
         OTEL_EXPORTER_OTLP_ENDPOINT";
    /// The peer's certificate was not signed by a trusted authority.
    CertificateUnknown:
        "the collector's certificate comes from an authority that is not trusted: name its certificate in \
         OTEL_EXPORTER_OTLP_CERTIFICATE";
    /// The peer's certificate is that of an authority, such as a self-signed one by the defaults of OpenSSL.
    CertificateOfAuthority:
        "the collector's certificate is one of an authority, which a server must not present: issue one with \
         basicConstraints=CA:FALSE, and name its authority, or itself, in OTEL_EXPORTER_OTLP_CERTIFICATE";
    /// The peer's certificate is not valid now.
    CertificateExpired:
        "the certificate of the collector that OTEL_EXPORTER_OTLP_ENDPOINT names is not valid now: renew it, and \
         check the clocks of both machines";
    /// The peer's certificate is for another host.
    CertificateName:
        "the collector's certificate is for another name: write one of its names in OTEL_EXPORTER_OTLP_ENDPOINT";
    /// The peer requires a client certificate, or does not trust the one it received.
    ClientCertificate:
        "the collector wants a client certificate that it trusts: set OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and \
         OTEL_EXPORTER_OTLP_CLIENT_KEY";
    /// Another failure of the TLS handshake.
    Tls:
        "the TLS handshake failed: does the scheme (http or https) in OTEL_EXPORTER_OTLP_ENDPOINT match, and which \
         TLS versions does the collector allow?";
    /// The peer speaks HTTP/1, but the request is gRPC.
    PeerSpeaksHttp:
        "the peer speaks HTTP, not gRPC (port 4318 is that of HTTP): set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf or \
         use the gRPC port, 4317";
    /// The peer speaks gRPC, but the request is HTTP.
    PeerSpeaksGrpc:
        "the peer speaks gRPC, not HTTP (port 4317 is that of gRPC): set OTEL_EXPORTER_OTLP_PROTOCOL=grpc or use the \
         HTTP port, 4318";
    /// Larger than any request that may be sent.
    RequestTooLarge:
        "one span, record or data point is larger than a request may be: limit its attributes \
         (OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT), or raise OTEL_RUST_EXPORTER_OTLP_MAX_REQUEST_SIZE (bytes) if the \
         collector takes more";
    /// The receiver refused the request for its size.
    ItemTooLarge:
        "one span, record or data point is over the limit: limit its attributes (OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT), \
         or raise the collector's max_recv_msg_size_mib or max_request_body_size";
    /// No credentials, or wrong ones.
    Unauthenticated:
        "the credentials were not accepted: check OTEL_EXPORTER_OTLP_HEADERS, or the source of the token, or user and \
         password of the proxy if there is one";
    /// The source of the credentials, which is code of the program, has failed.
    CredentialSource:
        "the program's own source of credentials fails (header_source or request_signer in code, or the file that it \
         reads): telemetry waits until it returns a value";
    /// The receiver limits the rate.
    Throttled:
        "the collector limits the rate: raise its limits, or sample traces (OTEL_TRACES_SAMPLER)";
    /// A file or standard output does not take it.
    OutputFailed:
        "the output cannot be written: is the disk full, may the program write there, is the pipe read?";
    /// The reader of standard output is gone, and no other can take its place.
    ReaderGone:
        "nothing reads standard output any more, as after `program | head`: what is exported there is lost until the \
         program is started again";
    /// A gateway has no receiver behind it, or the receiver is starting.
    Unavailable:
        "the collector, or the gateway in front of it, cannot take data now: what does its own log say, and does \
         OTEL_EXPORTER_OTLP_ENDPOINT name the right one?";
    /// The receiver does not take this signal at this address.
    Unsupported:
        "nothing takes {signal} there: does the collector have a pipeline for them (if not, set \
         OTEL_{SIGNAL}_EXPORTER=none), is the path in OTEL_EXPORTER_OTLP_ENDPOINT right, is the compression \
         supported?";
    /// The receiver refused a request of JSON: not every receiver takes that.
    JsonRefused:
        "does the receiver take JSON? If not, set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf";
    /// The answer redirects to another address.
    Redirected:
        "redirects are not followed, because they would pass the credentials on: write the final address in \
         OTEL_EXPORTER_OTLP_ENDPOINT";
    /// The answer does not come from an OTLP receiver.
    NotOtlp:
        "the answer is not that of an OTLP receiver: check host, port and path in OTEL_EXPORTER_OTLP_ENDPOINT";
    /// No connection to the proxy.
    ProxyUnreachable:
        "the proxy cannot be reached: check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or list the host of the collector \
         in NO_PROXY to connect without a proxy";
    /// The proxy has accepted the connection, and does not answer or closes it.
    ProxySilent:
        "the proxy does not answer: check HTTPS_PROXY, HTTP_PROXY and ALL_PROXY, or list the host of the collector in \
         NO_PROXY to connect without a proxy";
    /// The proxy does not connect to the receiver.
    ProxyRefused:
        "the proxy does not connect to the collector: allow its host and port there, or list the host in NO_PROXY to \
         connect without a proxy";
    /// The proxy did not accept the credentials, or got none.
    ProxyAuthentication:
        "the proxy did not accept the credentials: write user and password in the variable that names it, \
         as in http://user:password@proxy:3128";
    /// The receiver refused the data.
    Refused:
        "what does the collector's own log say?";
    /// An answer that cannot be understood, or a fault of this crate.
    Unexpected:
        "what does the collector's own log say?";
}

impl Cause {
    /// Returns `true` if the receiver, or a gateway, has answered.
    pub(super) fn is_answer(self) -> bool {
        matches!(
            self,
            Self::ItemTooLarge
                | Self::Unauthenticated
                | Self::Throttled
                | Self::Unavailable
                | Self::Unsupported
                | Self::JsonRefused
                | Self::Redirected
                | Self::NotOtlp
                | Self::Refused
                | Self::NotProcessed
                | Self::ProxyAuthentication
        )
    }

    /// Returns `true` if no receiver is there, or the configuration does not fit the one that is. Unless it answered
    /// shortly before, another try soon has no prospect.
    pub(in crate::export) fn is_absence(self) -> bool {
        matches!(
            self,
            Self::ConnectionRefused
                | Self::NameNotResolved
                | Self::Unreachable
                | Self::PlaintextPeer
                | Self::TlsPeer
                | Self::CertificateUnknown
                | Self::CertificateOfAuthority
                | Self::CertificateExpired
                | Self::CertificateName
                | Self::PeerSpeaksHttp
                | Self::PeerSpeaksGrpc
                | Self::ProxyUnreachable
                | Self::ProxyRefused
                | Self::ProxyAuthentication
        )
    }

    /// Returns `true` if there was no connection to the receiver.
    pub(super) fn is_without_connection(self) -> bool {
        matches!(
            self,
            Self::ConnectionRefused
                | Self::NameNotResolved
                | Self::NoDescriptor
                | Self::Unreachable
                | Self::ConnectTimeout
                | Self::ProxyUnreachable
                | Self::ProxySilent
                | Self::ProxyRefused
                | Self::ProxyAuthentication
        )
    }

    /// Returns `true` if the connection may be the reason: the peer behind it is silent, stops, or is about to be
    /// replaced. A new one may lead to another.
    pub(super) fn needs_new_connection(self) -> bool {
        matches!(
            self,
            Self::Timeout
                | Self::ConnectTimeout
                | Self::Disconnected
                | Self::NotProcessed
                | Self::Unavailable
        )
    }

    /// Returns `true` if a receiver that is there may have failed for what is in the request. One that is busy answers 503, or
    /// not at all, whatever is in it.
    fn may_come_from_items(self) -> bool {
        matches!(self, Self::Unauthenticated | Self::Disconnected | Self::Refused | Self::Unexpected)
    }

    /// Returns `true` if it says something about the items, or about their signal, and not about the connection.
    pub(in crate::export) fn concerns_signal(self) -> bool {
        matches!(
            self,
            Self::RequestTooLarge
                | Self::ItemTooLarge
                | Self::Unsupported
                | Self::JsonRefused
                | Self::Refused
        )
    }

    /// Returns `true` if the destination will never take anything again.
    pub(in crate::export) fn is_final(self) -> bool {
        self == Self::ReaderGone
    }

    /// Returns what to do about it. `signal` fills in the names of variables.
    pub(in crate::export) fn advice(self, signal: Signal) -> Cow<'static, str> {
        let advice = advice(self);
        if !advice.contains('{') {
            return Cow::Borrowed(advice);
        }
        let name = signal.name();
        advice.replace("{signal}", name).replace("{SIGNAL}", &name.to_uppercase()).into()
    }
}
