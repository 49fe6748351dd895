//! Instrumentation.

use super::macros::object;
use super::values::{List, Located, Named, Unsigned};

object! {
    /// Settings of instrumentation, for all languages.
    Instrumentation = "ExperimentalInstrumentation", null refused {
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

object! {
    /// HTTP calls to others.
    HttpClient = "ExperimentalHttpClientInstrumentation", null refused {
        request_captured_headers: Option<List<String>>,
        response_captured_headers: Option<List<String>>,
        known_methods: Option<List<String, 0>>,
    }
}

object! {
    /// HTTP calls from others.
    HttpServer = "ExperimentalHttpServerInstrumentation", null refused {
        request_captured_headers: Option<List<String>>,
        response_captured_headers: Option<List<String>>,
        known_methods: Option<List<String, 0>>,
    }
}

object! {
    /// Remote procedure calls.
    Rpc = "ExperimentalRpcInstrumentation", null refused {
        semconv: Option<Semconv>,
    }
}

object! {
    /// Source code attributes.
    Code = "ExperimentalCodeInstrumentation", null refused {
        semconv: Option<Semconv>,
    }
}

object! {
    /// Databases.
    Db = "ExperimentalDbInstrumentation", null refused {
        semconv: Option<Semconv>,
    }
}

object! {
    /// Language models.
    GenAi = "ExperimentalGenAiInstrumentation", null refused {
        semconv: Option<Semconv>,
    }
}

object! {
    /// Messages.
    Messaging = "ExperimentalMessagingInstrumentation", null refused {
        semconv: Option<Semconv>,
    }
}

object! {
    /// Which version of the conventions is followed.
    Semconv = "ExperimentalSemconvConfig", null refused {
        version: Option<Unsigned>,
        experimental: Option<bool>,
        dual_emit: Option<bool>,
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
