//! Who the station is on the Sparkplug plane: checked names, and the topics made of them.

/// The namespace of the payload's version B.
const NAMESPACE: &str = "spBv1.0";

/// Longest name in characters.
const NAME_MAX: usize = 64;

/// The names of one edge node and its device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SparkplugSettings {
    group: String,
    edge_node: String,
    device: String,
    primary_host: Option<String>,
}

/// Why a text is no name on the Sparkplug plane.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SparkplugError {
    /// A character or a length that does not fit.
    #[error(
        "`{text}` is no Sparkplug name; write 1 to {max} characters without `+`, `/`, `#` and control characters",
        max = NAME_MAX
    )]
    Name {
        /// The text, cut to a readable length, control characters escaped.
        text: String,
    },
    /// The word that marks the topics of hosts.
    #[error("`STATE` is the word of the hosts' topics; write another group")]
    Reserved,
}

impl SparkplugSettings {
    /// Names that have passed [`SparkplugSettings::check_group`] and [`SparkplugSettings::check`].
    ///
    /// # Errors
    /// [`SparkplugError`] for the first name that does not fit.
    pub fn new(
        group: &str,
        edge_node: &str,
        device: &str,
        primary_host: Option<&str>,
    ) -> Result<Self, SparkplugError> {
        Ok(Self {
            group: Self::check_group(group)?,
            edge_node: Self::check(edge_node)?,
            device: Self::check(device)?,
            primary_host: primary_host.map(Self::check).transpose()?,
        })
    }

    /// Checks the name of a group.
    ///
    /// # Errors
    /// [`SparkplugError`] says what to write instead.
    pub fn check_group(text: &str) -> Result<String, SparkplugError> {
        if text == "STATE" {
            return Err(SparkplugError::Reserved);
        }
        Self::check(text)
    }

    /// Checks the name of a node, a device or a host.
    ///
    /// # Errors
    /// [`SparkplugError`] says what to write instead.
    pub fn check(text: &str) -> Result<String, SparkplugError> {
        let fits = !text.is_empty()
            && text.chars().count() <= NAME_MAX
            && !text.contains(['+', '/', '#'])
            && !text.chars().any(char::is_control);
        if fits {
            return Ok(text.to_owned());
        }
        let text = text
            .chars()
            .take(NAME_MAX)
            .flat_map(char::escape_debug)
            .collect();
        Err(SparkplugError::Name { text })
    }

    pub(super) fn waits_for_host(&self) -> bool {
        self.primary_host.is_some()
    }

    pub(super) fn node_topic(&self, message: &str) -> String {
        let (group, node) = (&self.group, &self.edge_node);
        format!("{NAMESPACE}/{group}/{message}/{node}")
    }

    pub(super) fn device_topic(&self, message: &str) -> String {
        format!("{}/{}", self.node_topic(message), self.device)
    }

    pub(super) fn state_topic(&self) -> Option<String> {
        let host = self.primary_host.as_ref()?;
        Some(format!("{NAMESPACE}/STATE/{host}"))
    }

    pub(super) fn subscriptions(&self) -> Vec<String> {
        let commands = [self.node_topic("NCMD"), self.device_topic("DCMD")];
        commands.into_iter().chain(self.state_topic()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_name_is_refused_with_what_to_write() {
        for bad in ["", "a/b", "+", "a#", "a\0", "a\nb", &"x".repeat(65)] {
            assert!(
                SparkplugSettings::new(bad, "st", "gate", None).is_err(),
                "{bad:?}"
            );
            assert!(
                SparkplugSettings::new("g", bad, "gate", None).is_err(),
                "{bad:?}"
            );
            assert!(
                SparkplugSettings::new("g", "st", bad, None).is_err(),
                "{bad:?}"
            );
            assert!(
                SparkplugSettings::new("g", "st", "gate", Some(bad)).is_err(),
                "{bad:?}"
            );
        }
        insta::assert_snapshot!(
            SparkplugSettings::check("ulm/2").unwrap_err(),
            @"`ulm/2` is no Sparkplug name; write 1 to 64 characters without `+`, `/`, `#` and control characters"
        );
        insta::assert_snapshot!(
            SparkplugSettings::check_group("STATE").unwrap_err(),
            @"`STATE` is the word of the hosts' topics; write another group"
        );
    }

    #[test]
    fn topics_have_the_levels_of_the_specification() {
        let settings = SparkplugSettings::new("Preßwerk", "st 07", "gate", Some("scada")).unwrap();
        assert_eq!(
            settings.node_topic("NBIRTH"),
            "spBv1.0/Preßwerk/NBIRTH/st 07"
        );
        assert_eq!(
            settings.subscriptions(),
            [
                "spBv1.0/Preßwerk/NCMD/st 07",
                "spBv1.0/Preßwerk/DCMD/st 07/gate",
                "spBv1.0/STATE/scada"
            ]
        );
    }
}
