//! The counters of `health` in Prometheus' text form (`OpenMetrics` 1.0), one metric a field.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

use crate::publish::HealthPayload;
use crate::station::Seen;

pub(super) const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

#[derive(Debug, Clone, Copy)]
enum Figure {
    /// Only grows; starts again at 0 with the station.
    Counter(fn(&HealthPayload) -> u64),
    Gauge(fn(&HealthPayload) -> f64),
}

use Figure::{Counter, Gauge};

/// The name is that of the field in `health`.
const METRICS: &[(&str, &str, Figure)] = &[
    (
        "triggers",
        "Triggers taken",
        Counter(|health| health.triggers),
    ),
    ("ok", "Parts answered OK", Counter(|health| health.ok)),
    ("ng", "Parts answered NG", Counter(|health| health.ng)),
    (
        "missed",
        "Answers that never left the station in time",
        Counter(|health| health.missed),
    ),
    (
        "late",
        "Inspections that ended after their answer",
        Counter(|health| health.late),
    ),
    (
        "repeated",
        "Answers sent again",
        Counter(|health| health.repeated),
    ),
    (
        "overrun",
        "Triggers beyond the parts that may be open",
        Counter(|health| health.overrun),
    ),
    (
        "messages_dropped",
        "Messages that came faster than `inbox.per_s_max` allows",
        Counter(|health| health.messages_dropped),
    ),
    (
        "bad_triggers",
        "Triggers that could not be read",
        Counter(|health| health.bad_triggers),
    ),
    (
        "not_ready",
        "Parts answered not_ready",
        Counter(|health| health.not_ready),
    ),
    (
        "sequence_missing",
        "Parts that were never announced",
        Counter(|health| health.sequence_missing),
    ),
    (
        "out_of_order",
        "Triggers after one with a higher number",
        Counter(|health| health.out_of_order),
    ),
    (
        "acks",
        "Verdicts that the controller acknowledged",
        Counter(|health| health.acks),
    ),
    (
        "acks_missing",
        "Verdicts that it did not acknowledge in time",
        Counter(|health| health.acks_missing),
    ),
    (
        "acks_unknown",
        "Acknowledgements of no open verdict",
        Counter(|health| health.acks_unknown),
    ),
    (
        "passed_against_verdict",
        "Parts passed although their verdict was not OK",
        Counter(|health| health.passed_against_verdict),
    ),
    (
        "commands_refused",
        "Commands refused or not readable",
        Counter(|health| health.commands_refused),
    ),
    (
        "recoveries",
        "Starts of a new inspecting thread after a failure",
        Counter(|health| health.recoveries),
    ),
    (
        "clock_steps",
        "Jumps of the wall clock",
        Counter(|health| health.clock_steps),
    ),
    (
        "clock_step_s",
        "The last jump; positive is forward",
        Gauge(|health| health.clock_step_s),
    ),
    (
        "records_pending",
        "Records that no broker has taken yet",
        Gauge(|health| health.records_pending as f64),
    ),
    (
        "min_ms",
        "Shortest time from trigger to verdict, of the latest 1000 parts",
        Gauge(|health| health.min_ms),
    ),
    (
        "mean_ms",
        "Mean time from trigger to verdict, of the latest 1000 parts",
        Gauge(|health| health.mean_ms),
    ),
    (
        "p99_ms",
        "99 of 100 of the latest 1000 parts were at least as fast",
        Gauge(|health| health.p99_ms),
    ),
    (
        "max_ms",
        "Longest time from trigger to verdict, of the latest 1000 parts",
        Gauge(|health| health.max_ms),
    ),
    (
        "frames_lost",
        "Frames that cameras lost",
        Counter(|health| health.frames_lost),
    ),
    (
        "uptime_s",
        "How long the station has been running",
        Gauge(|health| health.uptime_s as f64),
    ),
    (
        "storage_free_mb",
        "What this station may still write, in megabytes of 1000000 bytes",
        Gauge(|health| health.storage.free_mb as f64),
    ),
    (
        "storage_level_changes",
        "Changes between enough, low, no_images and full",
        Counter(|health| health.storage.level_changes),
    ),
    (
        "storage_images_stored",
        "Images on the disk",
        Gauge(|health| health.storage.images_stored as f64),
    ),
    (
        "storage_images_dropped",
        "Images not taken because the archive was behind",
        Counter(|health| health.storage.images_dropped),
    ),
    (
        "storage_images_failed",
        "Images that could not be encoded or written",
        Counter(|health| health.storage.images_failed),
    ),
    (
        "storage_images_withheld",
        "Parts whose images were not kept because the disk is nearly full",
        Counter(|health| health.storage.images_withheld),
    ),
    (
        "storage_images_removed",
        "Images that retention removed",
        Counter(|health| health.storage.images_removed),
    ),
    (
        "storage_records_removed",
        "Records that retention removed",
        Counter(|health| health.storage.records_removed),
    ),
];

#[derive(Debug)]
struct Counts(Seen);

impl Collector for Counts {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let Self(seen) = self;
        for (name, help, value) in METRICS {
            match value {
                Counter(read) => one(
                    &mut encoder,
                    name,
                    help,
                    &ConstCounter::new(read(&seen.health)),
                )?,
                Gauge(read) => one(
                    &mut encoder,
                    name,
                    help,
                    &ConstGauge::new(read(&seen.health)),
                )?,
            }
        }
        let takes_parts = ConstGauge::new(i64::from(seen.takes_parts()));
        one(
            &mut encoder,
            "takes_parts",
            "1 while parts are inspected",
            &takes_parts,
        )?;
        let help = "Parts answered indeterminate, by reason";
        let counter = ConstCounter::new(0_u64);
        let mut family =
            encoder.encode_descriptor("indeterminate", help, None, counter.metric_type())?;
        for (reason, count) in &seen.health.indeterminate {
            let labels = [("reason", reason.as_str())];
            ConstCounter::new(*count).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

fn one(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    value: &impl EncodeMetric,
) -> Result<(), std::fmt::Error> {
    value.encode(encoder.encode_descriptor(name, help, None, value.metric_type())?)
}

/// All metrics, each with the station's name.
pub(super) fn page(seen: &Seen) -> Result<String, std::fmt::Error> {
    let station = [("station".into(), seen.state.station.clone().into())];
    let mut registry = Registry::with_prefix_and_labels("taktgate", station.into_iter());
    registry.register_collector(Box::new(Counts(seen.clone())));
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_number_of_health_is_a_metric() {
        let health = serde_json::to_value(HealthPayload::default()).unwrap();
        let numbers = |prefix: &str, object: &Value| -> Vec<String> {
            let entries = object.as_object().unwrap().iter();
            let numbers = entries.filter(|(name, value)| value.is_number() && *name != "schema");
            numbers.map(|(name, _)| format!("{prefix}{name}")).collect()
        };
        let mut fields = numbers("", &health);
        fields.extend(numbers("storage_", &health["storage"]));
        fields.sort_unstable();
        let mut names: Vec<&str> = METRICS.iter().map(|(name, ..)| *name).collect();
        names.sort_unstable();
        assert_eq!(names, fields);
    }
}
