//! The resource, and the formats in which contexts travel.

use super::macros::{choice, component, object};
use super::metrics::IncludeExclude;
use super::nullable::AttributeValue;
use super::values::{List, Located};

object! {
    /// What describes this process.
    Resource = "Resource", null refused {
        /// They win over `attributes_list`.
        attributes: Option<List<Attribute>>,
        /// Default: none but those that code requests.
        detection["detection/development"]: Option<Detection>,
        /// The schema that the attributes follow.
        schema_url: Option<String>,
        /// `key=value,key=value`, as in `OTEL_RESOURCE_ATTRIBUTES`.
        attributes_list: Option<Located<String>>,
    }
}

object! {
    /// One attribute.
    Attribute = "AttributeNameValue", null refused {
        /// Not empty.
        name: String,
        /// Null leaves the attribute out.
        value: AttributeValue,
        /// Default: the type that YAML gives the value.
        r#type["type"]: Option<AttributeType>,
    }
}

choice! {
    /// The type of an attribute.
    AttributeType = "AttributeType" {
        "string" => Text,
        "bool" => Bool,
        "int" => Int,
        "double" => Double,
        "string_array" => TextArray,
        "bool_array" => BoolArray,
        "int_array" => IntArray,
        "double_array" => DoubleArray,
    }
}

object! {
    /// Attributes that are found out.
    Detection = "ExperimentalResourceDetection", null refused {
        /// Which of the detected attributes are kept. Default: all.
        attributes: Option<IncludeExclude>,
        /// Default: none.
        detectors: Option<List<Detector>>,
    }
}

component! {
    /// What finds out attributes.
    Detector = "ExperimentalResourceDetector", open {
        "container" => Container(ContainerDetector),
        "host" => Host(HostDetector),
        "process" => Process(ProcessDetector),
        "service" => Service(ServiceDetector),
    }
}

object! {
    /// The container that the process runs in.
    ContainerDetector = "ExperimentalContainerResourceDetector", null default {}
}

object! {
    /// The machine that the process runs on.
    HostDetector = "ExperimentalHostResourceDetector", null default {}
}

object! {
    /// The process.
    ProcessDetector = "ExperimentalProcessResourceDetector", null default {}
}

object! {
    /// Name and instance of the service.
    ServiceDetector = "ExperimentalServiceResourceDetector", null default {}
}

object! {
    /// Formats in which contexts travel between services.
    Propagator = "Propagator", null refused {
        /// Default: none.
        composite: Option<List<TextMapPropagator>>,
        /// Further ones, with commas, as in `OTEL_PROPAGATORS`.
        composite_list: Option<Located<String>>,
    }
}

component! {
    /// One format.
    TextMapPropagator = "TextMapPropagator", open {
        "tracecontext" => TraceContext(TraceContext),
        "baggage" => Baggage(Baggage),
        "b3" => B3(B3),
        "b3multi" => B3Multi(B3Multi),
    }
}

object! {
    /// W3C Trace Context.
    TraceContext = "TraceContextPropagator", null default {}
}

object! {
    /// W3C Baggage.
    Baggage = "BaggagePropagator", null default {}
}

object! {
    /// B3 in one header.
    B3 = "B3Propagator", null default {}
}

object! {
    /// B3 in several headers.
    B3Multi = "B3MultiPropagator", null default {}
}
