//! What the line controller announces.

use std::fmt;
use std::time::Instant;

use jiff::Timestamp;

/// The controller's own count of parts.
pub type Sequence = u32;

/// A part, type, lot or supplier as the line names it: 1 to 64 printable characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no name; write 1 to {max} printable characters", max = Name::LENGTH_MAX)]
pub struct NameError {
    /// The text, cut to a readable length, control characters escaped.
    pub text: String,
}

impl Name {
    /// Longest name in characters.
    pub const LENGTH_MAX: usize = 64;

    /// Checks the text.
    ///
    /// # Errors
    /// [`NameError`] if it is empty, too long, or has control characters or blanks at its ends.
    pub fn new(text: &str) -> Result<Self, NameError> {
        let fits = !text.is_empty()
            && text.chars().count() <= Self::LENGTH_MAX
            && text.trim() == text
            && !text.chars().any(char::is_control);
        if fits {
            Ok(Self(text.to_owned()))
        } else {
            let text = text
                .chars()
                .take(Self::LENGTH_MAX)
                .flat_map(char::escape_debug)
                .collect();
            Err(NameError { text })
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One part is there: judge it by the deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// The controller's count; the answer carries it back.
    pub sequence: Sequence,
    /// The part.
    pub part: Name,
    /// Its type; chooses the recipe.
    pub part_type: Name,
    /// The lot it comes from.
    pub lot: Option<Name>,
    /// Who made it.
    pub supplier: Option<Name>,
    /// When the trigger came, on the clock that never jumps.
    pub arrived_at: Instant,
    /// The same for people.
    pub arrived_at_utc: Timestamp,
    /// When the answer is due at the latest.
    pub deadline: Instant,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_printable_and_short() {
        assert_eq!(
            Name::new("Träger 4711/L").unwrap().as_str(),
            "Träger 4711/L"
        );
        for bad in ["", " x", "x ", "a\nb", "a\0", &"x".repeat(65)] {
            assert!(Name::new(bad).is_err(), "{bad:?}");
        }
        assert_eq!(
            Name::new("a\nb").unwrap_err().to_string(),
            "`a\\nb` is no name; write 1 to 64 printable characters"
        );
    }
}
