//! The names under which a station and its line controller meet:
//! `{prefix}/{enterprise}/{site}/{area}/{line}/{station}/{leaf}` (the levels of ISA-95).

use super::command::Verb;

/// The topics of one station; every level was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topics {
    line: String,
    station: String,
}

/// Why a text is no level of a topic.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{level} = \"{text}\"` is no level of a topic; write 1 to {max} characters without `/`, `+`, `#`, control characters or a `$` in front",
    max = Topics::LEVEL_MAX
)]
pub struct TopicError {
    /// The level: `prefix`, `enterprise`, `site`, `area`, `line` or `station`.
    pub level: &'static str,
    /// The text, cut to a readable length, control characters escaped.
    pub text: String,
}

impl Topics {
    /// Longest level in characters.
    pub const LEVEL_MAX: usize = 64;

    /// Checks the levels.
    ///
    /// # Errors
    /// [`TopicError`] names the first level that does not fit.
    pub fn new(
        prefix: &str,
        enterprise: &str,
        site: &str,
        area: &str,
        line: &str,
        station: &str,
    ) -> Result<Self, TopicError> {
        for (level, text) in [
            ("prefix", prefix),
            ("enterprise", enterprise),
            ("site", site),
            ("area", area),
            ("line", line),
            ("station", station),
        ] {
            check(level, text)?;
        }
        Ok(Self {
            line: format!("{prefix}/{enterprise}/{site}/{area}/{line}"),
            station: station.to_owned(),
        })
    }

    /// The station's own level.
    pub fn station(&self) -> &str {
        &self.station
    }

    /// In: a part is there.
    pub fn cmd_trigger(&self) -> String {
        self.leaf("cmd/trigger")
    }

    /// In: a command.
    pub fn cmd(&self, verb: Verb) -> String {
        self.leaf(&format!("cmd/{verb}"))
    }

    /// The topics of all commands, the verb as a parameter.
    pub(super) fn cmd_of_verb(&self) -> String {
        self.leaf("cmd/{verb}")
    }

    /// Whether a response may go to `topic`: a plain topic of at most `bytes_max`, and of the
    /// station's own only those below `cmd/response`.
    pub(super) fn may_answer_on(&self, topic: &str, bytes_max: usize) -> bool {
        let response = self.cmd_response();
        let is_plain = !topic.is_empty()
            && topic.len() <= bytes_max
            && !topic.starts_with('$')
            && !topic.contains(['+', '#'])
            && !topic.chars().any(char::is_control);
        let is_own = topic.starts_with(&format!("{}/{}/", self.line, self.station));
        let is_response = topic == response || topic.starts_with(&format!("{response}/"));
        is_plain && (!is_own || is_response)
    }

    /// Out: what became of a command.
    pub fn cmd_response(&self) -> String {
        self.leaf("cmd/response")
    }

    /// Out: the verdict as JSON.
    pub fn verdict(&self) -> String {
        self.leaf("verdict")
    }

    /// Out: the verdict as 32 bytes.
    pub fn verdict_plc(&self) -> String {
        self.leaf("verdict/plc")
    }

    /// Out: the inspection record.
    pub fn record(&self) -> String {
        self.leaf("record")
    }

    /// In: what the controller did with a verdict.
    pub fn ack(&self) -> String {
        self.leaf("ack")
    }

    /// Out, retained: the station's state.
    pub fn state(&self) -> String {
        self.leaf("state")
    }

    /// Out, retained: counters.
    pub fn health(&self) -> String {
        self.leaf("health")
    }

    /// Out: what a person should know.
    pub fn event(&self) -> String {
        self.leaf("event")
    }

    /// A filter for everything that the stations of this line say and hear.
    pub fn line_filter(&self) -> String {
        format!("{}/#", self.line)
    }

    fn leaf(&self, leaf: &str) -> String {
        format!("{}/{}/{leaf}", self.line, self.station)
    }
}

fn check(level: &'static str, text: &str) -> Result<(), TopicError> {
    let fits = !text.is_empty()
        && text.chars().count() <= Topics::LEVEL_MAX
        && !text.starts_with('$')
        && !text.contains(['/', '+', '#'])
        && !text.chars().any(char::is_control);
    if fits {
        return Ok(());
    }
    let text = text
        .chars()
        .take(Topics::LEVEL_MAX)
        .flat_map(char::escape_debug)
        .collect();
    Err(TopicError { level, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_station(station: &str) -> Result<Topics, TopicError> {
        Topics::new("taktgate", "acme", "ulm", "body", "line-3", station)
    }

    #[test]
    fn a_leaf_stands_below_all_levels() {
        let topics = with_station("st-07").unwrap();
        assert_eq!(
            topics.cmd_trigger(),
            "taktgate/acme/ulm/body/line-3/st-07/cmd/trigger"
        );
        assert_eq!(
            topics.verdict_plc(),
            "taktgate/acme/ulm/body/line-3/st-07/verdict/plc"
        );
        assert_eq!(topics.line_filter(), "taktgate/acme/ulm/body/line-3/#");
    }

    #[test]
    fn a_bad_level_is_named() {
        for bad in ["", "a/b", "+", "a#", "$SYS", "a\0", "a\nb", &"x".repeat(65)] {
            assert_eq!(with_station(bad).unwrap_err().level, "station", "{bad:?}");
        }
        assert!(with_station("Träger $7 (links)").is_ok());
        insta::assert_snapshot!(
            Topics::new("taktgate", "acme", "ulm/2", "body", "", "st-07").unwrap_err(),
            @"`site = \"ulm/2\"` is no level of a topic; write 1 to 64 characters without `/`, `+`, `#`, control characters or a `$` in front"
        );
    }

    proptest::proptest! {
        #[test]
        fn whatever_passes_is_one_level(text in ".{0,80}") {
            if let Ok(topics) = with_station(&text) {
                let topic = topics.verdict();
                proptest::prop_assert_eq!(topic.split('/').count(), 7);
                proptest::prop_assert!(!topic.contains(['+', '#', '\0']));
            }
        }
    }
}
