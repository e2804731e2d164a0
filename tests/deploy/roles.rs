//! Who may say and hear what by the access list, and every topic that is tried.

use std::collections::BTreeSet;

pub(crate) const LINE: &str = "taktgate/acme/ulm/body/line-3";
/// Stands in no access list: a user of the broker and nothing more.
pub(crate) const STRANGER: &str = "stranger";

pub(crate) const VERBS: [&str; 8] = [
    "prepare_recipe",
    "unprepare_recipe",
    "start_single_job",
    "start_continuous",
    "stop",
    "abort",
    "halt",
    "reset",
];
const STATUS: [&str; 3] = ["state", "health", "event"];
const RESPONSES: [&str; 2] = ["cmd/response", "cmd/response/panel"];
const VERDICTS: [&str; 2] = ["verdict", "verdict/plc"];
const PARTS: [&str; 2] = ["cmd/trigger", "ack"];

/// What an edge node says and hears, without and with its device.
const BY_NODE: [&str; 6] = ["NBIRTH", "NDATA", "NDEATH", "DBIRTH", "DDATA", "DDEATH"];
const TO_NODE: [&str; 2] = ["NCMD", "DCMD"];

/// A role, what it may say and what it may hear.
pub(crate) struct Role {
    pub(crate) user: &'static str,
    pub(crate) says: BTreeSet<String>,
    pub(crate) hears: BTreeSet<String>,
}

fn at(line: &str, stations: &[&str], leaves: &[&[&str]]) -> BTreeSet<String> {
    let topic = |station: &&str, leaf: &&str| format!("{line}/{station}/{leaf}");
    let leaves: Vec<&str> = leaves.concat();
    let of = |station| leaves.iter().map(move |leaf| topic(station, leaf));
    stations.iter().flat_map(of).collect()
}

fn sparkplug(group: &str, nodes: &[&str], messages: &[&str]) -> BTreeSet<String> {
    let topic = |node: &&str, message: &&str| {
        let device = if message.starts_with('D') {
            "/gate"
        } else {
            ""
        };
        format!("spBv1.0/{group}/{message}/{node}{device}")
    };
    let of = |node| messages.iter().map(move |message| topic(node, message));
    nodes.iter().flat_map(of).collect()
}

fn host(name: &str) -> BTreeSet<String> {
    [format!("spBv1.0/STATE/{name}")].into()
}

fn cmd_verbs() -> Vec<String> {
    VERBS.iter().map(|verb| format!("cmd/{verb}")).collect()
}

pub(crate) fn roles() -> Vec<Role> {
    const BOTH: [&str; 2] = ["st-07", "st-08"];
    const GROUP: &str = "acme-hand-1";
    let verbs = cmd_verbs();
    let verbs: Vec<&str> = verbs.iter().map(String::as_str).collect();
    let station = |user: &'static str| Role {
        user,
        says: &at(
            LINE,
            &[user],
            &[&VERDICTS, &["record"], &STATUS, &RESPONSES],
        ) | &sparkplug(GROUP, &[user], &BY_NODE),
        hears: &(&at(LINE, &[user], &[&verbs, &PARTS]) | &host("scada"))
            | &sparkplug(GROUP, &[user], &TO_NODE),
    };
    vec![
        station("st-07"),
        station("st-08"),
        Role {
            user: "line-3",
            says: at(LINE, &BOTH, &[&PARTS]),
            hears: at(LINE, &BOTH, &[&VERDICTS, &STATUS]),
        },
        Role {
            user: "panel-3",
            says: at(LINE, &BOTH, &[&verbs]),
            hears: at(LINE, &BOTH, &[&["verdict", "record"], &RESPONSES, &STATUS]),
        },
        Role {
            user: "archive",
            says: BTreeSet::new(),
            hears: at(LINE, &BOTH, &[&["record"], &STATUS]),
        },
        Role {
            user: "scada",
            says: &sparkplug(GROUP, &BOTH, &TO_NODE) | &host("scada"),
            hears: &sparkplug(GROUP, &BOTH, &BY_NODE) | &host("scada"),
        },
        Role {
            user: STRANGER,
            says: BTreeSet::new(),
            hears: BTreeSet::new(),
        },
    ]
}

/// Leaves of stations that are none, each under a user's name: nobody may say them.
pub(crate) fn leaves_of_no_station() -> BTreeSet<String> {
    let users = ["line-3", "panel-3", "archive", "scada", STRANGER];
    let leaves = [&VERDICTS[..], &["record"], &STATUS, &RESPONSES];
    &at(LINE, &users, &leaves) | &sparkplug("acme-hand-1", &[STRANGER], &BY_NODE)
}

/// Every leaf of two stations of the line and of their namesakes elsewhere, and on the Sparkplug plane.
pub(crate) fn topics() -> BTreeSet<String> {
    let verbs = cmd_verbs();
    let verbs: Vec<&str> = verbs.iter().map(String::as_str).collect();
    let all = [
        &VERDICTS,
        &["record"][..],
        &STATUS,
        &RESPONSES,
        &verbs,
        &PARTS,
    ];
    let messages = [&BY_NODE[..], &TO_NODE].concat();
    let sets = [
        at(LINE, &["st-07", "st-08"], &all),
        at("taktgate/acme/ulm/body/line-4", &["st-07"], &all),
        at("taktgate/acme/neu/body/line-3", &["st-07"], &all),
        sparkplug("acme-hand-1", &["st-07", "st-08"], &messages),
        sparkplug("acme-hand-2", &["st-07"], &messages),
        host("scada"),
        host("st-07"),
        host("other"),
    ];
    sets.into_iter().flatten().collect()
}
