//! Instrumentation.

use super::macros::object;
use super::values::{List, Located, Named, Unsigned};

object! {
    /// Settings of instrumentation, for all languages.
    Instrumentation = "ExperimentalInstrumentation", null refused {
        /// What applies here as well; the sections of languages but `rust` are for other programs.
        general: Option<General>,
        cpp: Option<Named>,
        dotnet: Option<Named>,
        erlang: Option<Named>,
        go: Option<Named>,
        java: Option<Named>,
        js: Option<Named>,
        php: Option<Named>,
        python: Option<Named>,
        ruby: Option<Named>,
        rust: Option<Named>,
        swift: Option<Named>,
    }
}

object! {
    /// What applies to all languages.
    General = "ExperimentalGeneralInstrumentation", null refused {
        http: Option<Http>,
        code: Option<Code>,
        db: Option<Db>,
        gen_ai: Option<GenAi>,
        messaging: Option<Messaging>,
        rpc: Option<Rpc>,
        sanitization: Option<Sanitization>,
        /// As `OTEL_SEMCONV_STABILITY_OPT_IN`: `http,rpc/dup`.
        stability_opt_in_list: Option<Located<String>>,
    }
}

object! {
    /// HTTP calls.
    Http = "ExperimentalHttpInstrumentation", null refused {
        semconv: Option<Semconv>,
        client: Option<HttpClient>,
        server: Option<HttpServer>,
    }
}

/// Declares the side of HTTP calls; the schema has one type for each, and both have the same keys.
macro_rules! http_sides {
    ($($(#[$doc:meta])* $name:ident = $schema:literal;)*) => {$(
        object! {
            $(#[$doc])*
            $name = $schema, null refused {
                /// Names of headers that become attributes of spans.
                request_captured_headers: Option<List<String>>,
                /// Names of headers that become attributes of spans.
                response_captured_headers: Option<List<String>>,
                /// Methods that are recorded by name. An empty list is allowed.
                known_methods: Option<List<String, 0>>,
            }
        }
    )*};
}

http_sides! {
    /// HTTP calls to others.
    HttpClient = "ExperimentalHttpClientInstrumentation";
    /// HTTP calls from others.
    HttpServer = "ExperimentalHttpServerInstrumentation";
}

/// Declares domains of the conventions of which only the version can be chosen.
macro_rules! domains {
    ($($(#[$doc:meta])* $name:ident = $schema:literal;)*) => {$(
        object! {
            $(#[$doc])*
            $name = $schema, null refused {
                semconv: Option<Semconv>,
            }
        }
    )*};
}

domains! {
    /// Remote procedure calls.
    Rpc = "ExperimentalRpcInstrumentation";
    /// Source code attributes.
    Code = "ExperimentalCodeInstrumentation";
    /// Databases.
    Db = "ExperimentalDbInstrumentation";
    /// Language models.
    GenAi = "ExperimentalGenAiInstrumentation";
    /// Messages.
    Messaging = "ExperimentalMessagingInstrumentation";
}

object! {
    /// Which version of the conventions is followed.
    Semconv = "ExperimentalSemconvConfig", null refused {
        /// The major version of the conventions.
        version: Option<Located<Unsigned>>,
        /// Attributes in development as well. Default: `false`.
        experimental: Option<Located<bool>>,
        /// The names of the version before as well. Default: `false`.
        dual_emit: Option<Located<bool>>,
    }
}

object! {
    /// What is kept out of telemetry.
    Sanitization = "ExperimentalSanitization", null refused {
        url: Option<UrlSanitization>,
    }
}

object! {
    /// What is kept out of URLs.
    UrlSanitization = "ExperimentalUrlSanitization", null refused {
        sensitive_query_parameters: Option<List<String, 0>>,
    }
}
