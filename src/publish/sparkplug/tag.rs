//! The tags that a host sees: name, type, owner, and which of the station's messages they show.

use crate::domain::{Reason, Verdict};
use crate::publish::publisher::Outgoing;
use crate::publish::status::{HealthPayload, StatePayload, StationState};
use crate::publish::verdict::VerdictPayload;

use super::proto::{DataType, Value};

/// Whose tag it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The edge node: the station.
    Node,
    /// The device: its gate.
    Device,
}

/// Everything that a host can see. The order is that of the aliases: new ones come last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tag {
    BdSeq,
    Rebirth,
    SoftwareVersion,
    State,
    StateReason,
    StateSince,
    RecordsPending,
    FramesLost,
    HistoryDropped,
    Sequence,
    ResultCode,
    ReasonCode,
    Part,
    TotalMs,
    DecidedAt,
    Triggers,
    Ok,
    Ng,
    Indeterminate,
    Missed,
    Late,
    Repeated,
    Overrun,
    BadTriggers,
}

impl Tag {
    pub(super) const ALL: [Self; 24] = [
        Self::BdSeq,
        Self::Rebirth,
        Self::SoftwareVersion,
        Self::State,
        Self::StateReason,
        Self::StateSince,
        Self::RecordsPending,
        Self::FramesLost,
        Self::HistoryDropped,
        Self::Sequence,
        Self::ResultCode,
        Self::ReasonCode,
        Self::Part,
        Self::TotalMs,
        Self::DecidedAt,
        Self::Triggers,
        Self::Ok,
        Self::Ng,
        Self::Indeterminate,
        Self::Missed,
        Self::Late,
        Self::Repeated,
        Self::Overrun,
        Self::BadTriggers,
    ];

    /// Name, owner, type and alias.
    ///
    /// Counters have 64 bits, because 32 do not survive between the common libraries. A rebirth is asked
    /// for by name, so it has no alias (tck-id-operational-behavior-data-commands-rebirth-name-aliases).
    fn description(self) -> (&'static str, Owner, DataType, Option<u64>) {
        use DataType::{Boolean, DateTime, Int64, String, UInt8, UInt64};
        use Owner::{Device, Node};
        match self {
            Self::BdSeq => ("bdSeq", Node, Int64, Some(1)),
            Self::Rebirth => ("Node Control/Rebirth", Node, Boolean, None),
            Self::SoftwareVersion => ("Properties/Software Version", Node, String, Some(2)),
            Self::State => ("State", Node, String, Some(3)),
            Self::StateReason => ("State Reason", Node, String, Some(4)),
            Self::StateSince => ("State Since", Node, DateTime, Some(5)),
            Self::RecordsPending => ("Records Pending", Node, UInt64, Some(6)),
            Self::FramesLost => ("Frames Lost", Node, UInt64, Some(7)),
            Self::HistoryDropped => ("History Dropped", Node, UInt64, Some(8)),
            Self::Sequence => ("Verdict/Sequence", Device, UInt64, Some(9)),
            Self::ResultCode => ("Verdict/Result Code", Device, UInt8, Some(10)),
            Self::ReasonCode => ("Verdict/Reason Code", Device, UInt8, Some(11)),
            Self::Part => ("Verdict/Part", Device, String, Some(12)),
            Self::TotalMs => ("Verdict/Total ms", Device, UInt64, Some(13)),
            Self::DecidedAt => ("Verdict/Decided At", Device, DateTime, Some(14)),
            Self::Triggers => ("Counters/Triggers", Device, UInt64, Some(15)),
            Self::Ok => ("Counters/OK", Device, UInt64, Some(16)),
            Self::Ng => ("Counters/NG", Device, UInt64, Some(17)),
            Self::Indeterminate => ("Counters/Indeterminate", Device, UInt64, Some(18)),
            Self::Missed => ("Counters/Missed", Device, UInt64, Some(19)),
            Self::Late => ("Counters/Late", Device, UInt64, Some(20)),
            Self::Repeated => ("Counters/Repeated", Device, UInt64, Some(21)),
            Self::Overrun => ("Counters/Overrun", Device, UInt64, Some(22)),
            Self::BadTriggers => ("Counters/Bad Triggers", Device, UInt64, Some(23)),
        }
    }

    pub(super) fn name(self) -> &'static str {
        self.description().0
    }

    pub(super) fn owner(self) -> Owner {
        self.description().1
    }

    pub(super) fn datatype(self) -> DataType {
        self.description().2
    }

    pub(super) fn alias(self) -> Option<u64> {
        self.description().3
    }
}

/// What one message of the station says about its tags.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Sample {
    /// Milliseconds since 1970 UTC.
    pub(super) at_ms: u64,
    pub(super) values: Vec<(Tag, Value)>,
    /// Whether the gate can judge, where the message says so.
    pub(super) gate_is_alive: Option<bool>,
}

impl Sample {
    /// `None` for messages that no tag shows: records, events, responses, and answers that are only repeated.
    pub(super) fn of(outgoing: &Outgoing) -> Option<Self> {
        match outgoing {
            Outgoing::Verdict { payload, .. } if !payload.repeated => Some(of_verdict(payload)),
            Outgoing::State(state) => Some(of_state(state)),
            Outgoing::Health(health) => Some(of_health(health)),
            Outgoing::Verdict { .. }
            | Outgoing::Record { .. }
            | Outgoing::Response { .. }
            | Outgoing::Event(_) => None,
        }
    }
}

/// Milliseconds since 1970 UTC; before that 0.
pub(super) fn ms(at_utc: jiff::Timestamp) -> u64 {
    u64::try_from(at_utc.as_millisecond()).unwrap_or(0)
}

fn of_verdict(verdict: &VerdictPayload) -> Sample {
    let reason = verdict.verdict().ok().and_then(Verdict::reason);
    let reason_code = reason.map_or(0, Reason::wire_code);
    Sample {
        at_ms: ms(verdict.decided_at_utc),
        values: vec![
            (Tag::Sequence, Value::Long(verdict.sequence.into())),
            (Tag::ResultCode, Value::Int(verdict.result_code.into())),
            (Tag::ReasonCode, Value::Int(reason_code.into())),
            (Tag::Part, Value::Text(verdict.part_id.clone())),
            (Tag::TotalMs, Value::Long(verdict.total_ms)),
            (Tag::DecidedAt, Value::Long(ms(verdict.decided_at_utc))),
        ],
        gate_is_alive: None,
    }
}

fn of_state(state: &StatePayload) -> Sample {
    Sample {
        at_ms: ms(state.at_utc),
        values: vec![
            (
                Tag::SoftwareVersion,
                Value::Text(state.software_version.clone()),
            ),
            (Tag::State, Value::Text(word(state.state).to_owned())),
            (Tag::StateReason, Value::Text(state.reason.clone())),
            (Tag::StateSince, Value::Long(ms(state.at_utc))),
        ],
        gate_is_alive: Some(state.state != StationState::Error),
    }
}

/// The word that `state` uses too.
fn word(state: StationState) -> &'static str {
    match state {
        StationState::Offline => "offline",
        StationState::Preoperational => "preoperational",
        StationState::Halted => "halted",
        StationState::Error => "error",
        StationState::Initialized => "initialized",
        StationState::Ready => "ready",
        StationState::SingleExecution => "single_execution",
        StationState::ContinuousExecution => "continuous_execution",
    }
}

fn of_health(health: &HealthPayload) -> Sample {
    let counters = [
        (Tag::RecordsPending, health.records_pending),
        (Tag::FramesLost, health.frames_lost),
        (Tag::Triggers, health.triggers),
        (Tag::Ok, health.ok),
        (Tag::Ng, health.ng),
        (Tag::Indeterminate, health.indeterminate.values().sum()),
        (Tag::Missed, health.missed),
        (Tag::Late, health.late),
        (Tag::Repeated, health.repeated),
        (Tag::Overrun, health.overrun),
        (Tag::BadTriggers, health.bad_triggers),
    ];
    Sample {
        at_ms: ms(health.at_utc),
        values: counters
            .into_iter()
            .map(|(tag, count)| (tag, Value::Long(count)))
            .collect(),
        gate_is_alive: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_aliases_are_unique_over_node_and_device() {
        let mut names: Vec<_> = Tag::ALL.map(|tag| tag.name().to_lowercase()).into();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), Tag::ALL.len());
        let mut aliases: Vec<_> = Tag::ALL.into_iter().filter_map(Tag::alias).collect();
        aliases.sort_unstable();
        let numbers: Vec<u64> = (1..).take(Tag::ALL.len() - 1).collect();
        assert_eq!(aliases, numbers);
    }

    #[test]
    fn the_documentation_lists_all_tags_in_their_order() {
        let document = include_str!("../../../docs/sparkplug.md");
        let row = |tag: Tag| {
            let alias = tag
                .alias()
                .map(|alias| format!("{alias} "))
                .unwrap_or_default();
            let owner = match tag.owner() {
                Owner::Node => "node",
                Owner::Device => "device",
            };
            format!(
                "| {alias}| {owner} | `{}` | {:?} |",
                tag.name(),
                tag.datatype()
            )
        };
        let places: Vec<_> = Tag::ALL
            .into_iter()
            .map(|tag| document.find(&row(tag)).ok_or(row(tag)))
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(places.is_sorted());
    }
}
