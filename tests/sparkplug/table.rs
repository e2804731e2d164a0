//! Which assertion of the specification is held by what; `docs/sparkplug-assertions.md` is made of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::checks::CHECKS;

/// What holds an assertion.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Holder {
    /// A rule of `checks.rs`, over all that each test's node writes.
    Rule(&'static str),
    /// A test of `tests/sparkplug.rs`.
    Test(&'static str),
    /// Why there is nothing to hold.
    NotApplicable(&'static str),
}

const HOST: &str = "said by host applications; the station is an edge node";
const PLANT: &str = "a matter between all nodes of a plant; a station's file names only itself";
const MQTT_5: &str = "the node speaks MQTT 3.1.1 only, which `sessions_are_clean` holds";
const DATA_SETS: &str = "no data set is sent, which `types_fit_their_values` holds";
const PROPERTIES: &str = "no property is sent, which `types_fit_their_values` holds";
const TEMPLATES: &str = "no template is sent, which `types_fit_their_values` holds";
const ONE_BROKER: &str = "a station has one broker: it leaves that and comes back, which `an_offline_host_is_left_and_waited_for` holds";

const TABLE: [(Holder, &[&str]); 36] = [
    (
        Holder::Rule("names_differ_in_lower_case_too"),
        &["case-sensitivity-metric-names"],
    ),
    (
        Holder::Rule("topics_have_their_structure"),
        &[
            "message-flow-device-birth-publish-dbirth-match-edge-node-topic",
            "message-flow-device-birth-publish-dbirth-topic",
            "message-flow-edge-node-birth-publish-nbirth-topic",
            "topic-structure",
            "topic-structure-namespace-a",
            "topic-structure-namespace-device-id-associated-message-types",
            "topic-structure-namespace-device-id-non-associated-message-types",
            "topic-structure-namespace-unique-device-id",
            "topics-dbirth-topic",
            "topics-ddata-topic",
            "topics-ddeath-topic",
            "topics-nbirth-topic",
            "topics-ndata-topic",
            "topics-ndeath-topic",
        ],
    ),
    (
        Holder::Rule("types_fit_their_values"),
        &[
            "message-flow-device-birth-publish-dbirth-payload",
            "message-flow-edge-node-birth-publish-nbirth-payload",
            "payloads-metric-datatype-value",
            "payloads-metric-datatype-value-type",
        ],
    ),
    (
        Holder::Rule("the_sequence_has_no_gap"),
        &[
            "message-flow-device-birth-publish-dbirth-payload-seq",
            "message-flow-edge-node-birth-publish-nbirth-payload-seq",
            "payloads-dbirth-seq",
            "payloads-dbirth-seq-inc",
            "payloads-ddata-seq",
            "payloads-ddata-seq-inc",
            "payloads-ddeath-seq",
            "payloads-ddeath-seq-inc",
            "payloads-ddeath-seq-number",
            "payloads-nbirth-seq",
            "payloads-ndata-seq",
            "payloads-ndata-seq-inc",
            "payloads-sequence-num-always-included",
            "payloads-sequence-num-incrementing",
            "payloads-sequence-num-req-nbirth",
            "topics-dbirth-seq",
            "topics-ddata-seq-num",
            "topics-ddeath-seq-num",
            "topics-nbirth-seq-num",
            "topics-ndata-seq-num",
        ],
    ),
    (
        Holder::Rule("all_is_sent_at_most_once_and_not_retained"),
        &[
            "message-flow-device-birth-publish-dbirth-qos",
            "message-flow-device-birth-publish-dbirth-retained",
            "message-flow-edge-node-birth-publish-nbirth-qos",
            "message-flow-edge-node-birth-publish-nbirth-retained",
            "payloads-dbirth-qos",
            "payloads-dbirth-retain",
            "payloads-ddata-qos",
            "payloads-ddata-retain",
            "payloads-nbirth-qos",
            "payloads-nbirth-retain",
            "payloads-ndata-qos",
            "payloads-ndata-retain",
            "topics-dbirth-mqtt",
            "topics-ddata-mqtt",
            "topics-ddeath-mqtt",
            "topics-nbirth-mqtt",
            "topics-ndata-mqtt",
        ],
    ),
    (
        Holder::Rule("births_come_first"),
        &[
            "message-flow-device-birth-publish-nbirth-wait",
            "payloads-dbirth-order",
            "payloads-ddata-order",
            "payloads-ndata-order",
            "principles-birth-certificates-order",
        ],
    ),
    (
        Holder::Rule("commands_are_subscribed_before_births"),
        &[
            "message-flow-device-dcmd-subscribe",
            "message-flow-edge-node-birth-publish-connect",
            "message-flow-edge-node-ncmd-subscribe",
        ],
    ),
    (
        Holder::Rule("the_will_is_the_ndeath"),
        &[
            "message-flow-edge-node-birth-publish-will-message",
            "message-flow-edge-node-birth-publish-will-message-payload",
            "message-flow-edge-node-birth-publish-will-message-qos",
            "message-flow-edge-node-birth-publish-will-message-topic",
            "message-flow-edge-node-birth-publish-will-message-will-retained",
            "payloads-ndeath-will-message",
            "payloads-ndeath-will-message-qos",
            "payloads-ndeath-will-message-retain",
        ],
    ),
    (
        Holder::Rule("births_repeat_the_bdseq_of_the_will"),
        &[
            "operational-behavior-data-commands-rebirth-action-3",
            "payloads-nbirth-bdseq",
            "payloads-nbirth-bdseq-repeat",
            "payloads-ndeath-bdseq",
            "topics-nbirth-bdseq-included",
            "topics-nbirth-bdseq-matching",
        ],
    ),
    (
        Holder::Rule("a_rebirth_is_offered"),
        &[
            "operational-behavior-data-commands-rebirth-datatype",
            "operational-behavior-data-commands-rebirth-name",
            "operational-behavior-data-commands-rebirth-name-aliases",
            "operational-behavior-data-commands-rebirth-value",
            "payloads-nbirth-rebirth-req",
            "topics-nbirth-rebirth-metric",
        ],
    ),
    (
        Holder::Rule("births_announce_all_that_comes"),
        &[
            "operational-behavior-data-publish-dbirth",
            "operational-behavior-data-publish-nbirth",
            "topics-dbirth-metric-reqs",
            "topics-nbirth-metric-reqs",
        ],
    ),
    (
        Holder::Rule("data_tells_changes_only"),
        &[
            "operational-behavior-data-publish-dbirth-change",
            "operational-behavior-data-publish-nbirth-change",
            "principles-rbe-recommended",
            "topics-ddata-payload",
            "topics-ndata-payload",
        ],
    ),
    (
        Holder::Rule("metrics_are_in_order_of_time"),
        &[
            "operational-behavior-data-publish-dbirth-order",
            "operational-behavior-data-publish-nbirth-order",
        ],
    ),
    (
        Holder::Rule("births_tell_name_type_and_value"),
        &[
            "operational-behavior-data-publish-dbirth-values",
            "operational-behavior-data-publish-nbirth-values",
            "payloads-metric-datatype-req",
            "payloads-name-requirement",
            "topics-dbirth-metrics",
            "topics-nbirth-metrics",
        ],
    ),
    (
        Holder::Rule("goodbyes_are_ndeath_then_disconnect"),
        &[
            "operational-behavior-edge-node-intentional-disconnect-ndeath",
            "operational-behavior-edge-node-intentional-disconnect-packet",
            "payloads-ndeath-will-message-publisher",
            "payloads-ndeath-will-message-publisher-disconnect-mqtt311",
        ],
    ),
    (
        Holder::Rule("one_connection_at_a_time"),
        &["operational-behavior-primary-application-state-with-multiple-servers-single-server"],
    ),
    (
        Holder::Rule("aliases_are_unique"),
        &[
            "payloads-alias-birth-requirement",
            "payloads-alias-uniqueness",
        ],
    ),
    (
        Holder::Rule("data_goes_by_alias_alone"),
        &[
            "payloads-alias-data-cmd-requirement",
            "payloads-metric-datatype-not-req",
        ],
    ),
    (
        Holder::Rule("payloads_say_when_they_were_sent"),
        &[
            "payloads-dbirth-timestamp",
            "payloads-ddata-timestamp",
            "payloads-ddeath-timestamp",
            "payloads-nbirth-timestamp",
            "payloads-ndata-timestamp",
            "topics-dbirth-timestamp",
            "topics-ddata-timestamp",
            "topics-nbirth-timestamp",
            "topics-ndata-timestamp",
        ],
    ),
    (
        Holder::Rule("metrics_say_since_when"),
        &["payloads-name-birth-data-requirement"],
    ),
    (
        Holder::Rule("deaths_have_bdseq_alone"),
        &[
            "payloads-ndeath-seq",
            "topics-ndeath-payload",
            "topics-ndeath-seq",
        ],
    ),
    (
        Holder::Rule("sessions_are_clean"),
        &["principles-persistence-clean-session-311"],
    ),
    (
        Holder::Rule("bdseq_counts_connects"),
        &["topics-nbirth-bdseq-increment"],
    ),
    (
        Holder::Test("names_are_checked_and_stand_in_the_topics"),
        &[
            "intro-device-id-chars",
            "intro-device-id-string",
            "intro-edge-node-id-chars",
            "intro-edge-node-id-string",
            "intro-group-id-chars",
            "intro-group-id-string",
            "topic-structure-namespace-valid-device-id",
            "topic-structure-namespace-valid-edge-node-id",
            "topic-structure-namespace-valid-group-id",
        ],
    ),
    (
        Holder::Test("an_offline_host_is_left_and_waited_for"),
        &[
            "message-flow-edge-node-birth-publish-phid-offline",
            "operational-behavior-edge-node-termination-host-offline",
            "operational-behavior-edge-node-termination-host-offline-reconnect",
        ],
    ),
    (
        Holder::Test("births_wait_for_the_primary_host"),
        &[
            "message-flow-edge-node-birth-publish-phid-wait",
            "message-flow-edge-node-birth-publish-phid-wait-id",
            "message-flow-edge-node-birth-publish-phid-wait-online",
            "operational-behavior-edge-node-birth-sequence-wait",
            "operational-behavior-primary-application-state-with-multiple-servers-state-subs",
        ],
    ),
    (
        Holder::Test("a_stale_word_of_the_host_changes_nothing"),
        &[
            "message-flow-edge-node-birth-publish-phid-wait-timestamp",
            "operational-behavior-edge-node-termination-host-offline-timestamp",
        ],
    ),
    (
        Holder::Test("a_rebirth_is_a_birth_of_node_and_device"),
        &[
            "operational-behavior-data-commands-rebirth-action-1",
            "operational-behavior-data-commands-rebirth-action-2",
        ],
    ),
    (
        Holder::Test("a_broken_gate_dies_and_is_born_again"),
        &["operational-behavior-device-ddeath"],
    ),
    (
        Holder::NotApplicable(PLANT),
        &[
            "case-sensitivity-sparkplug-ids",
            "intro-edge-node-id-uniqueness",
            "payloads-nbirth-edge-node-descriptor",
            "topic-structure-namespace-duplicate-device-id-across-edge-node",
            "topic-structure-namespace-unique-edge-node-descriptor",
        ],
    ),
    (
        Holder::NotApplicable(HOST),
        &[
            "host-topic-phid-birth-payload",
            "host-topic-phid-death-payload-timestamp-connect",
            "host-topic-phid-death-payload-timestamp-disconnect-clean",
            "operational-behavior-host-application-connect-will-payload",
            "operational-behavior-host-application-host-id",
            "payloads-state-birth-payload",
            "payloads-state-will-message-payload",
        ],
    ),
    (
        Holder::NotApplicable(ONE_BROKER),
        &["operational-behavior-primary-application-state-with-multiple-servers-walk"],
    ),
    (
        Holder::NotApplicable(DATA_SETS),
        &[
            "payloads-dataset-column-num-headers",
            "payloads-dataset-column-size",
            "payloads-dataset-parameter-type-req",
            "payloads-dataset-types-def",
            "payloads-dataset-types-num",
            "payloads-dataset-types-type",
            "payloads-dataset-types-value",
            "payloads-template-dataset-value",
        ],
    ),
    (
        Holder::NotApplicable(PROPERTIES),
        &[
            "payloads-metric-propertyvalue-type-req",
            "payloads-metric-propertyvalue-type-type",
            "payloads-metric-propertyvalue-type-value",
            "payloads-propertyset-keys-array-size",
            "payloads-propertyset-quality-value-type",
            "payloads-propertyset-quality-value-value",
            "payloads-propertyset-values-array-size",
        ],
    ),
    (
        Holder::NotApplicable(MQTT_5),
        &[
            "payloads-ndeath-will-message-publisher-disconnect-mqtt50",
            "principles-persistence-clean-session-50",
        ],
    ),
    (
        Holder::NotApplicable(TEMPLATES),
        &[
            "payloads-template-definition-is-definition",
            "payloads-template-definition-members",
            "payloads-template-definition-nbirth",
            "payloads-template-definition-nbirth-only",
            "payloads-template-definition-parameters",
            "payloads-template-definition-parameters-default",
            "payloads-template-definition-ref",
            "payloads-template-instance-is-definition",
            "payloads-template-instance-members",
            "payloads-template-instance-members-birth",
            "payloads-template-instance-members-data",
            "payloads-template-instance-parameters",
            "payloads-template-instance-ref",
            "payloads-template-is-definition",
            "payloads-template-is-definition-definition",
            "payloads-template-is-definition-instance",
            "payloads-template-parameter-name-required",
            "payloads-template-parameter-name-type",
            "payloads-template-parameter-type-req",
            "payloads-template-parameter-type-value",
            "payloads-template-parameter-value",
            "payloads-template-parameter-value-type",
            "payloads-template-ref-definition",
            "payloads-template-ref-instance",
            "payloads-template-version",
            "topics-nbirth-templates",
        ],
    ),
];

const OPENING: &str = "\
# The assertions of Sparkplug 3.0 that concern an edge node

Made by `tests/sparkplug.rs`; do not edit. A *rule* is a function of `tests/sparkplug/checks.rs` over every
packet that the nodes of all those tests write, read by a tap before a real mosquitto; `faults.rs` plants
faults that each rule must find. A *test* is one of `tests/sparkplug.rs`. The list of assertions is that of
the specification's test kit (TCK).

";

/// The table as the documentation has it.
pub(crate) fn document() -> String {
    let rows: BTreeMap<&str, String> = TABLE
        .iter()
        .flat_map(|(holder, ids)| ids.iter().map(move |id| (*id, cell(holder))))
        .collect();
    let n_all = rows.len();
    let count = |wanted: fn(&Holder) -> bool| -> usize {
        let held = TABLE.iter().filter(|(holder, _)| wanted(holder));
        held.map(|(_, ids)| ids.len()).sum()
    };
    let n_absent = count(|holder| matches!(holder, Holder::NotApplicable(_)));
    let n_held = n_all - n_absent;
    let opening = format!(
        "{OPENING}{n_all} assertions: {n_held} held, {n_absent} not applicable.\n\n| assertion `tck-id-` … | held by |\n| --- | --- |\n"
    );
    let rows = rows.into_iter().map(|(id, cell)| {
        format!(
            "| {id} | {cell} |
"
        )
    });
    std::iter::once(opening).chain(rows).collect()
}

fn cell(holder: &Holder) -> String {
    match holder {
        Holder::Rule(name) => format!("rule `{name}`"),
        Holder::Test(name) => format!("test `{name}`"),
        Holder::NotApplicable(reason) => format!("not applicable: {reason}"),
    }
}

/// Every name in the table is a rule or a test that exists, every rule is used, no assertion stands twice.
pub(crate) fn check_names(tests: &str) {
    let mut ids = BTreeSet::new();
    for (holder, more) in &TABLE {
        for id in *more {
            assert!(ids.insert(id), "{id} stands twice");
        }
        match holder {
            Holder::Rule(name) => assert!(CHECKS.iter().any(|(rule, _)| rule == name), "{name}"),
            Holder::Test(name) => {
                assert!(tests.contains(&format!("#[test]\nfn {name}()")), "{name}");
            }
            Holder::NotApplicable(_) => {}
        }
    }
    for (rule, _) in CHECKS {
        let uses = |(holder, _): &(Holder, &[&str])| *holder == Holder::Rule(rule);
        assert!(TABLE.iter().any(uses), "{rule} holds nothing");
    }
}

/// The assertions of the specification's test kit, where the list lies beside the repository.
pub(crate) fn specified() -> Option<BTreeSet<String>> {
    let data = std::env::var_os("TAKTGATE_DATA").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data");
    let folder = data.unwrap_or(beside);
    let file = folder.with_file_name("sparkplug-edge-assertions.tsv");
    let Ok(text) = std::fs::read_to_string(&file) else {
        eprintln!("skipped: no list of assertions in {}", file.display());
        return None;
    };
    let id = |line: &str| Some(line.split('\t').next()?.strip_prefix("tck-id-")?.to_owned());
    Some(text.lines().filter_map(id).collect())
}

/// The assertions of the table.
pub(crate) fn ids() -> BTreeSet<String> {
    TABLE
        .iter()
        .flat_map(|(_, ids)| ids.iter().map(|id| (*id).to_owned()))
        .collect()
}
