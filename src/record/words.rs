//! The words for verdicts, reasons and grades in the stored and sent form.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::domain::{Grade, Reason, Verdict};

/// A verdict without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VerdictWord {
    /// The part passes.
    Ok,
    /// The part has a defect over a limit.
    Ng,
    /// The gate cannot say.
    Indeterminate,
}

/// A reason by the word the domain has for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub struct ReasonWord(pub Reason);

/// A grade.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GradeWord {
    /// Within the limits.
    Tolerated,
    /// Perhaps over a limit.
    Doubtful,
    /// Over a limit.
    Reject,
}

/// A word that is no reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no reason")]
pub struct ReasonError(String);

impl VerdictWord {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Ng => "ng",
            Self::Indeterminate => "indeterminate",
        }
    }

    /// The whole verdict; `None` if a reason is missing or too much.
    pub fn with(self, reason: Option<ReasonWord>) -> Option<Verdict> {
        match (self, reason) {
            (Self::Ok, None) => Some(Verdict::Ok),
            (Self::Ng, None) => Some(Verdict::Ng),
            (Self::Indeterminate, Some(ReasonWord(reason))) => Some(Verdict::Indeterminate(reason)),
            (Self::Ok | Self::Ng, Some(_)) | (Self::Indeterminate, None) => None,
        }
    }

    /// Finds the word.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Ok, Self::Ng, Self::Indeterminate]
            .into_iter()
            .find(|verdict| verdict.as_str() == word)
    }
}

impl From<Verdict> for VerdictWord {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Ok => Self::Ok,
            Verdict::Ng => Self::Ng,
            Verdict::Indeterminate(_) => Self::Indeterminate,
        }
    }
}

impl ReasonWord {
    /// Finds the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Reason::ALL
            .into_iter()
            .find(|reason| reason.word() == word)
            .map(Self)
    }
}

impl JsonSchema for ReasonWord {
    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("ReasonWord")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "Why the gate cannot say.",
            "type": "string",
            "enum": Reason::ALL.map(Reason::word),
        })
    }
}

impl TryFrom<String> for ReasonWord {
    type Error = ReasonError;

    fn try_from(word: String) -> Result<Self, ReasonError> {
        Self::from_word(&word).ok_or(ReasonError(word))
    }
}

impl From<ReasonWord> for &'static str {
    fn from(ReasonWord(reason): ReasonWord) -> Self {
        reason.word()
    }
}

impl From<Grade> for GradeWord {
    fn from(grade: Grade) -> Self {
        match grade {
            Grade::Tolerated => Self::Tolerated,
            Grade::Doubtful => Self::Doubtful,
            Grade::Reject => Self::Reject,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_domain() {
        let doubts = Reason::ALL.map(Verdict::Indeterminate);
        for verdict in [Verdict::Ok, Verdict::Ng].into_iter().chain(doubts) {
            let word = VerdictWord::from(verdict);
            assert_eq!(word.as_str(), verdict.word());
            assert_eq!(VerdictWord::from_word(verdict.word()), Some(word));
            assert_eq!(word.with(verdict.reason().map(ReasonWord)), Some(verdict));
            let json = format!("\"{}\"", verdict.word());
            assert_eq!(serde_json::to_string(&word).unwrap(), json);
        }
        for grade in [Grade::Tolerated, Grade::Doubtful, Grade::Reject] {
            let json = serde_json::to_string(&GradeWord::from(grade)).unwrap();
            assert_eq!(json, format!("\"{grade}\""));
        }
    }
}
