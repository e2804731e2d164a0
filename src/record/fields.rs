//! What the forms of the store and of the wire ask of single fields: each rule once for the reader,
//! which refuses what breaks it, and once for the schema, which says it.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer};

use crate::domain::{Name, Reason, Verdict};

/// No control characters, and no blanks at the ends: `Name` in a regular expression that ECMAScript,
/// Python, Java and Rust read alike.
const NAME_PATTERN: &str = concat!(
    r"^[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]",
    r"([^\u0000-\u001f\u007f-\u009f]*",
    r"[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000])?$"
);

/// The text of a [`Name`], for the schema.
#[derive(Debug)]
pub(crate) struct NameText;

impl JsonSchema for NameText {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        Cow::Borrowed("Name")
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "minLength": 1,
            "maxLength": Name::LENGTH_MAX,
            "pattern": NAME_PATTERN,
        })
    }
}

/// Reads the text of a [`Name`].
pub(crate) fn name<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    Name::new(&text).map_err(D::Error::custom)?;
    Ok(text)
}

/// Reads the text of a [`Name`], or null; the field must be there.
pub(crate) fn name_or_null<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    text.as_deref()
        .map(Name::new)
        .transpose()
        .map_err(D::Error::custom)?;
    Ok(text)
}

/// Reads a value or null; the field must be there, which serde does not ask of an `Option`.
pub(crate) fn or_null<'de, D, T>(from: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::deserialize(from)
}

/// Reads a score, 0 to 1.
pub(crate) fn score<'de, D: Deserializer<'de>>(from: D) -> Result<f32, D::Error> {
    let score = f32::deserialize(from)?;
    if (0.0..=1.0).contains(&score) {
        Ok(score)
    } else {
        Err(D::Error::custom(format_args!(
            "`{score}` is no score; write 0 to 1"
        )))
    }
}

/// Reads a list of at most `MAX`.
pub(crate) fn at_most<'de, const MAX: usize, D, T>(from: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let list: Vec<T> = Vec::deserialize(from)?;
    if list.len() <= MAX {
        Ok(list)
    } else {
        let n = list.len();
        Err(D::Error::custom(format_args!(
            "{n} are too many; write at most {MAX}"
        )))
    }
}

/// Says in the schema that verdict, result code and reason agree.
pub(crate) fn agree(schema: &mut Schema) {
    let words = Reason::ALL.map(Reason::word);
    let sure = |verdict: Verdict| {
        serde_json::json!({"properties": {
            "verdict": {"const": verdict.word()},
            "result_code": {"const": verdict.opc_code()},
            "reason": {"type": "null"},
        }})
    };
    // The word and the number are the same for all reasons.
    let doubt = Verdict::Indeterminate(Reason::Deadline);
    let doubtful = serde_json::json!({
        "required": ["reason"],
        "properties": {
            "verdict": {"const": doubt.word()},
            "result_code": {"const": doubt.opc_code()},
            "reason": {"enum": words},
        },
    });
    schema.insert(
        "oneOf".to_owned(),
        [sure(Verdict::Ok), sure(Verdict::Ng), doubtful]
            .into_iter()
            .collect(),
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_say_what_they_refuse() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct Fields {
            #[serde(deserialize_with = "name")]
            part: String,
            #[serde(deserialize_with = "score")]
            score: f32,
            #[serde(deserialize_with = "at_most::<2, _, _>")]
            list: Vec<u8>,
            #[serde(deserialize_with = "or_null")]
            there: Option<u8>,
        }
        let read = |text: &str| serde_json::from_str::<Fields>(text).map_err(|e| e.to_string());
        assert!(read(r#"{"part":"P","score":1,"list":[1,2],"there":null}"#).is_ok());
        insta::assert_snapshot!(read(r#"{"part":" P","score":1,"list":[],"there":1}"#).unwrap_err(), @"` P` is no name; write 1 to 64 printable characters at line 1 column 12");
        insta::assert_snapshot!(read(r#"{"part":"P","score":1.5,"list":[],"there":1}"#).unwrap_err(), @"`1.5` is no score; write 0 to 1 at line 1 column 23");
        insta::assert_snapshot!(read(r#"{"part":"P","score":1,"list":[1,2,3],"there":1}"#).unwrap_err(), @"3 are too many; write at most 2 at line 1 column 36");
        insta::assert_snapshot!(read(r#"{"part":"P","score":1,"list":[]}"#).unwrap_err(), @"missing field `there` at line 1 column 32");
    }
}
