//! The code on a part: where it is looked for, and what its text says about which part it is.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::View;
use crate::config::Checks;
use crate::domain::{Name, RectPx};

const FIELD_LENGTH_MAX: usize = 8;

/// A code on the part that says which part it is.
#[derive(Debug, Clone, PartialEq)]
pub struct PartCode {
    /// The view that shows it.
    pub view: String,
    /// What it looks like.
    pub kind: CodeKind,
    /// Where it is looked for, in pixels of the frame; `None` is the whole frame.
    pub region: Option<RectPx>,
    /// What it says about the part.
    pub role: CodeRole,
    /// The mark of the field that holds the part's id, where the code has several.
    pub field: Option<String>,
}

/// What a code looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeKind {
    /// Data Matrix (ISO/IEC 16022).
    DataMatrix,
    /// QR code (ISO/IEC 18004).
    Qr,
}

/// What a code says about the part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CodeRole {
    /// It must be the part that the line announced.
    Confirms,
    /// It names the part; the line's own number need not be the same.
    Gives,
}

/// What a code holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodeText {
    /// Its text, with the control characters between its fields.
    pub text: String,
    /// Whether it says of itself that its fields are those of GS1.
    pub is_gs1: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeFile {
    view: String,
    kind: CodeKind,
    // Left, top, width, height; left out: the whole frame.
    region_px: Option<[f64; 4]>,
    part: CodeRole,
    field: Option<String>,
}

/// Reads `[code]`, and says of `[[code]]` what is wrong with it.
pub(super) fn one_table<'de, D: Deserializer<'de>>(from: D) -> Result<Option<CodeFile>, D::Error> {
    struct OneTable;

    impl<'de> Visitor<'de> for OneTable {
        type Value = CodeFile;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("one table `[code]`: a part is known by one code")
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<CodeFile, A::Error> {
            CodeFile::deserialize(MapAccessDeserializer::new(map))
        }
    }

    from.deserialize_map(OneTable).map(Some)
}

impl CodeFile {
    pub(super) fn check(self, views: &[View], checks: &mut Checks) -> PartCode {
        if !views.is_empty() && !views.iter().any(|view| view.name == self.view) {
            let there: Vec<String> = views.iter().map(|v| format!("`{}`", v.name)).collect();
            checks.say(format!(
                "`code.view = {}` is no view of this recipe; it has {}",
                self.view,
                there.join(", ")
            ));
        }
        if let Some(field) = &self.field {
            let is_mark = |c: char| c.is_ascii_alphanumeric();
            if !(1..=FIELD_LENGTH_MAX).contains(&field.len()) || !field.chars().all(is_mark) {
                checks.say(format!(
                    "`code.field = {}` is no mark of a field; write 1 to {FIELD_LENGTH_MAX} letters and digits, for example `S` or `21`",
                    field.escape_debug()
                ));
            }
        }
        PartCode {
            region: self
                .region_px
                .map(|region| super::file::check_region("code", region, checks)),
            view: self.view,
            kind: self.kind,
            role: self.part,
            field: self.field,
        }
    }
}

impl CodeKind {
    /// The name of the symbology.
    pub fn name(self) -> &'static str {
        match self {
            Self::DataMatrix => "Data Matrix code",
            Self::Qr => "QR code",
        }
    }
}

impl CodeRole {
    /// The word that recipes have for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Confirms => "confirms",
            Self::Gives => "gives",
        }
    }
}

impl PartCode {
    /// The part that `code` names.
    ///
    /// # Errors
    /// What is wrong with the text, for a note: the part counts as not named.
    pub fn part_of(&self, code: &CodeText) -> Result<Name, String> {
        let shown = || code.text.escape_debug().take(2 * Name::LENGTH_MAX);
        let found = match &self.field {
            None => Some(code.text.as_str()),
            Some(field) => fields(code).find_map(|one| one.strip_prefix(field.as_str())),
        };
        let Some(found) = found else {
            let (shown, field) = (shown().collect::<String>(), self.field.iter());
            return Err(format!(
                "the code says `{shown}`, which has no field `{}`; is it another code, or is `field` of the recipe wrong?",
                field.map(String::as_str).collect::<String>()
            ));
        };
        Name::new(found.trim_matches(is_padding)).map_err(|_no_name| {
            let shown: String = shown().collect();
            let help = if self.field.is_none() && fields(code).nth(1).is_some() {
                "if it has several fields, name the part's with `field` in the recipe"
            } else {
                "is it another code?"
            };
            format!("the code says `{shown}`, which is no part id (1 to 64 printable characters); {help}")
        })
    }
}

fn is_padding(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// The fields of a code, each with its mark in front: control characters stand between them (GS1, ISO/IEC 15434).
fn fields(code: &CodeText) -> impl Iterator<Item = &str> {
    let is_gs1 = code.is_gs1;
    let parts = code.text.split(char::is_control);
    let parts = parts.filter(|part| !part.is_empty());
    parts.flat_map(move |part| {
        let mut rest = part;
        std::iter::from_fn(move || {
            let length = if is_gs1 { gs1_length(rest) } else { None };
            let at = length.unwrap_or(rest.len());
            let (field, behind) = rest.split_at_checked(at).unwrap_or((rest, ""));
            rest = behind;
            (!field.is_empty()).then_some(field)
        })
    })
}

/// The length of a field that needs no character behind it, mark included, by the table "Element strings
/// with predefined length" of the GS1 General Specifications.
fn gs1_length(text: &str) -> Option<usize> {
    match text.get(..2)? {
        "00" => Some(20),
        "01" | "02" | "03" | "41" => Some(16),
        "04" => Some(18),
        "11" | "12" | "13" | "14" | "15" | "16" | "17" | "18" | "19" => Some(8),
        "20" => Some(4),
        "31" | "32" | "33" | "34" | "35" | "36" => Some(10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> CodeText {
        CodeText {
            text: text.to_owned(),
            is_gs1: false,
        }
    }

    fn gs1(text: &str) -> CodeText {
        CodeText {
            is_gs1: true,
            ..plain(text)
        }
    }

    fn part(field: Option<&str>, code: &CodeText) -> String {
        let recipe = PartCode {
            view: "top".to_owned(),
            kind: CodeKind::Qr,
            region: None,
            role: CodeRole::Gives,
            field: field.map(str::to_owned),
        };
        match recipe.part_of(code) {
            Ok(part) => part.to_string(),
            Err(note) => format!("no part: {note}"),
        }
    }

    #[test]
    fn the_whole_text_names_the_part_without_what_pads_its_ends() {
        assert_eq!(part(None, &plain("B-0099-4711")), "B-0099-4711");
        assert_eq!(part(None, &plain(" Träger 4711\r\n\u{4}")), "Träger 4711");
        insta::assert_snapshot!(part(None, &plain(" \n")), @r"no part: the code says ` \n`, which is no part id (1 to 64 printable characters); is it another code?");
        insta::assert_snapshot!(part(None, &plain(&"x".repeat(65))), @"no part: the code says `xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`, which is no part id (1 to 64 printable characters); is it another code?");
        assert!(part(None, &plain(&"x".repeat(9000))).len() < 300);
    }

    #[test]
    fn a_field_of_iso_15434_is_found_by_its_mark() {
        // As VDA and AIAG write parts: part number, serial number, supplier.
        let car = "[)>\u{1e}06\u{1d}P7L6 863 367\u{1d}1S17\u{1d}S00004711\u{1d}V123456\u{1e}\u{4}";
        assert_eq!(part(Some("S"), &plain(car)), "00004711");
        assert_eq!(part(Some("1S"), &plain(car)), "17");
        insta::assert_snapshot!(part(Some("T"), &plain(car)), @r"no part: the code says `[)>\u{1e}06\u{1d}P7L6 863 367\u{1d}1S17\u{1d}S00004711\u{1d}V123456\u{1e}\u{4}`, which has no field `T`; is it another code, or is `field` of the recipe wrong?");
        insta::assert_snapshot!(part(None, &plain(car)), @r"no part: the code says `[)>\u{1e}06\u{1d}P7L6 863 367\u{1d}1S17\u{1d}S00004711\u{1d}V123456\u{1e}\u{4}`, which is no part id (1 to 64 printable characters); if it has several fields, name the part's with `field` in the recipe");
    }

    #[test]
    fn a_field_of_gs1_is_found_behind_those_of_known_length() {
        // GTIN, production date, batch (ends with FNC1), serial number.
        let fields = "01040123456789011126112210L-2231\u{1d}214711";
        assert_eq!(part(Some("21"), &gs1(fields)), "4711");
        assert_eq!(part(Some("10"), &gs1(fields)), "L-2231");
        assert_eq!(part(Some("01"), &gs1(fields)), "04012345678901");
        assert_eq!(part(Some("21"), &gs1("010401234567890121B-7")), "B-7");
        // The same digits without GS1's mark are one field.
        assert!(part(Some("21"), &plain("010401234567890121B-7")).starts_with("no part"));
        // Too short for what its mark promises, and a cut in the middle of a character.
        assert!(part(Some("21"), &gs1("0104")).starts_with("no part"));
        assert!(part(Some("21"), &gs1("11äöüßäöüß21x")).starts_with("no part"));
    }
}
