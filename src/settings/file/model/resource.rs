//! The resource, and the formats in which contexts travel.
//!
//! | key | default | variable |
//! |---|---|---|
//! | `resource.attributes` | none | `OTEL_SERVICE_NAME` for `service.name` |
//! | `resource.attributes_list` | none | `OTEL_RESOURCE_ATTRIBUTES` |
//! | `resource.schema_url` | none | – |
//! | `resource.detection/development.detectors` | none | `OTEL_EXPERIMENTAL_RESOURCE_DETECTORS` |
//! | `resource.detection/development.attributes` | all | – |
//! | `propagator.composite` | none | `OTEL_PROPAGATORS` |
//! | `propagator.composite_list` | none | `OTEL_PROPAGATORS`, in its form |
//!
//! # Types of attributes
//!
//! | `type` | value in the file |
//! |---|---|
//! | absent | the type that YAML gives the value |
//! | `string`, `bool`, `int` | a value of that type; `int` also takes `5.0` |
//! | `double` | a number |
//! | `string_array`, `bool_array`, `int_array`, `double_array` | a list of such values |
//!
//! A value that does not fit its `type` is a mistake, and no value is converted to text: `value: 1.0` with `type:
//! string` has to be quoted.

use super::macros::{choice, component, object};
use super::metrics::IncludeExclude;
use super::nullable::AttributeValue;
use super::values::{List, Located};

object! {
    /// What describes this process.
    Resource = "Resource", null refused {
        /// They win over `attributes_list`.
        ///
        /// Of two with the same name, the later one counts.
        attributes: Option<List<Attribute>>,
        /// Default: none but those that code requests.
        detection["detection/development"]: Option<Detection>,
        /// The schema that the attributes follow.
        ///
        /// It is sent with each request and is not checked.
        schema_url: Option<String>,
        /// `key=value,key=value`, as in `OTEL_RESOURCE_ATTRIBUTES`.
        ///
        /// All values are texts. A list with a mistake is refused as a whole.
        attributes_list: Option<Located<String>>,
    }
}

object! {
    /// One attribute.
    Attribute = "AttributeNameValue", null refused {
        /// Not empty.
        name: String,
        /// Null leaves the attribute out.
        ///
        /// `value: ${REGION}` therefore leaves the attribute out if the variable is not set.
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
        ///
        /// It does not concern attributes that the file or code gives.
        attributes: Option<IncludeExclude>,
        /// Default: none.
        ///
        /// The `k8s` detector of this crate has no name in the schema: see `resource_detectors` below `distribution`.
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
    ///
    /// Sets the attribute `container.id`, if the control groups or mounts of the process contain the id.
    ContainerDetector = "ExperimentalContainerResourceDetector", null default {}
}

object! {
    /// The machine that the process runs on.
    ///
    /// The schema counts the attributes of the operating system among them: the detector `os` runs too.
    HostDetector = "ExperimentalHostResourceDetector", null default {}
}

object! {
    /// The process.
    ProcessDetector = "ExperimentalProcessResourceDetector", null default {}
}

object! {
    /// Name and instance of the service.
    ///
    /// The name is that of `OTEL_SERVICE_NAME`, which is the only variable that a file reads without a reference. Each
    /// process has an instance id without this detector.
    ServiceDetector = "ExperimentalServiceResourceDetector", null default {}
}

object! {
    /// Formats in which contexts travel between services.
    Propagator = "Propagator", null refused {
        /// Default: none.
        ///
        /// Headers are read and written in this order.
        composite: Option<List<TextMapPropagator>>,
        /// Further ones, with commas, as in `OTEL_PROPAGATORS`.
        ///
        /// Names that are in both keys count once. `jaeger` and `xray`, for which the schema has no component, can be
        /// given here.
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
