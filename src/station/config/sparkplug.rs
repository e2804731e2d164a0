//! The table `[sparkplug]` of the station file: its presence switches the plane on.

use serde::Deserialize;

use crate::config::Checks;
use crate::publish::SparkplugSettings;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_field_names, reason = "the words of the specification")]
pub(super) struct SparkplugFile {
    group_id: String,
    /// The station's name, unless written.
    edge_node_id: Option<String>,
    #[serde(default = "gate")]
    device_id: String,
    /// Births wait for this host, if there is one.
    primary_host_id: Option<String>,
}

fn gate() -> String {
    "gate".to_owned()
}

/// Notes every name that does not fit.
pub(super) fn check(
    file: &SparkplugFile,
    station: &str,
    checks: &mut Checks,
) -> Option<SparkplugSettings> {
    let node = file.edge_node_id.as_deref().unwrap_or(station);
    let host = file.primary_host_id.as_deref();
    let group = SparkplugSettings::check_group(&file.group_id);
    checks.take("sparkplug.group_id", group);
    checks.take("sparkplug.edge_node_id", SparkplugSettings::check(node));
    checks.take(
        "sparkplug.device_id",
        SparkplugSettings::check(&file.device_id),
    );
    if let Some(host) = host {
        checks.take("sparkplug.primary_host_id", SparkplugSettings::check(host));
    }
    SparkplugSettings::new(&file.group_id, node, &file.device_id, host).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use crate::publish::SparkplugSettings;
    use crate::station::Station;

    fn parse(table: &str) -> Result<Station, String> {
        let text = format!(
            r#"
schema = 1
station = "st-07"
recipes = ["recipe.toml"]
models = "models"
calibrations = "calibration"
data = "data"
[mqtt]
enterprise = "acme"
site = "ulm"
area = "body"
line = "line-3"
[[cameras]]
name = "cam"
source = {{ generator = {{ width_px = 64, height_px = 48 }} }}
{table}"#
        );
        Station::parse(Path::new("station.toml"), &text).map_err(|error| {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            cause.unwrap_or_else(|| error.to_string())
        })
    }

    #[test]
    fn the_table_switches_the_plane_on_and_the_station_lends_its_name() {
        assert_eq!(parse("").unwrap().sparkplug, None);
        let names = |node, device, host| SparkplugSettings::new("ulm", node, device, host).ok();
        let short = parse("[sparkplug]\ngroup_id = \"ulm\"").unwrap();
        assert_eq!(short.sparkplug, names("st-07", "gate", None));
        let long = "[sparkplug]\ngroup_id = \"ulm\"\nedge_node_id = \"n\"\ndevice_id = \"d\"\nprimary_host_id = \"scada\"";
        assert_eq!(
            parse(long).unwrap().sparkplug,
            names("n", "d", Some("scada"))
        );
    }

    #[test]
    fn all_mistakes_are_said_at_once() {
        let table = "[sparkplug]\ngroup_id = \"STATE\"\nedge_node_id = \"a/b\"\ndevice_id = \"\"\nprimary_host_id = \"#\"";
        insta::assert_snapshot!(parse(table).unwrap_err(), @"
        `station.toml`: 4 mistakes
          - `sparkplug.group_id`: `STATE` is the word of the hosts' topics; write another group
          - `sparkplug.edge_node_id`: `a/b` is no Sparkplug name; write 1 to 64 characters without `+`, `/`, `#` and control characters
          - `sparkplug.device_id`: `` is no Sparkplug name; write 1 to 64 characters without `+`, `/`, `#` and control characters
          - `sparkplug.primary_host_id`: `#` is no Sparkplug name; write 1 to 64 characters without `+`, `/`, `#` and control characters
        ");
        let told = parse("[sparkplug]\ngroup = \"ulm\"").unwrap_err();
        assert!(told.contains("unknown field `group`, expected one of `group_id`, `edge_node_id`, `device_id`, `primary_host_id`"), "{told}");
    }
}
