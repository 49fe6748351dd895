//! Fields on everything below a point, carried by the OpenTelemetry context.
