//! The PLC block in Structured Text (IEC 61131-3): `block.st` beside this file, filled with the places of
//! the fields, the words of results and reasons, and the example.

use crate::domain::{Reason, Verdict};

use super::layout::{self, Field};
use super::{BLOCK_SCHEMA, FLAG_REPEATED, MAGIC, PLC_BLOCK_LENGTH, PlcBlock};

/// The whole text.
pub(in crate::publish) fn structured_text() -> String {
    // The number is the same for all reasons.
    let doubt = Verdict::Indeterminate(Reason::Deadline);
    let results = [
        ("OK", Verdict::Ok.opc_code()),
        ("NOT_OK", Verdict::Ng.opc_code()),
        ("NOT_DECIDABLE", doubt.opc_code()),
    ]
    .map(|(word, code)| (word.to_owned(), code));
    let reasons = Reason::ALL.map(|reason| (reason.word().to_uppercase(), reason.wire_code()));
    let none = [("NONE".to_owned(), 0)];
    let with_none = |words: &[(String, u8)]| [&none, words].concat();
    let mut filled = [
        ("RESULTS", enumeration("TG_RESULT", &with_none(&results))),
        ("REASONS", enumeration("TG_REASON", &with_none(&reasons))),
        ("RESULT_CASES", cases("Result", "TG_RESULT", &results)),
        (
            "REASON_CASES",
            cases("Reason", "TG_REASON", &with_none(&reasons)),
        ),
        ("ROWS", rows()),
        ("EXAMPLE", example()),
    ]
    .to_vec();
    filled.extend(numbers());
    filled.extend(places());
    filled
        .iter()
        .fold(include_str!("block.st").to_owned(), |text, (key, value)| {
            text.replace(&format!("@{key}@"), value)
        })
}

fn rows() -> String {
    layout::ROWS
        .map(|row| format!("   {:>4} {:>6}  {}", row.at, row.length, row.content))
        .join("\n")
}

fn example() -> String {
    PlcBlock::EXAMPLE
        .encode()
        .map(|byte| format!("{byte:02X}"))
        .chunks(PLC_BLOCK_LENGTH / 2)
        .map(|line| format!("     {}", line.join(" ")))
        .collect::<Vec<_>>()
        .join("\n")
}

/// The values of an enumeration.
fn enumeration(prefix: &str, words: &[(String, u8)]) -> String {
    let value = |(word, code): &(String, u8)| format!("    {prefix}_{word} := {code}");
    words.iter().map(value).collect::<Vec<_>>().join(",\n")
}

/// The cases that turn a number into the word of an enumeration.
fn cases(field: &str, prefix: &str, words: &[(String, u8)]) -> String {
    let case = |(word, code): &(String, u8)| {
        format!("        {code}: Verdict.{field} := {prefix}_{word};")
    };
    words.iter().map(case).collect::<Vec<_>>().join("\n")
}

/// Fields of several bytes as numbers.
fn numbers() -> [(&'static str, String); 7] {
    [
        ("CRC_NUMBER", number(layout::CRC, "DWORD")),
        ("SEQUENCE_NUMBER", number(layout::SEQUENCE, "DWORD")),
        ("FINDINGS_NUMBER", number(layout::FINDINGS, "WORD")),
        ("DEFECT_NUMBER", number(layout::DEFECT, "WORD")),
        ("VALID_FOR_NUMBER", number(layout::VALID_FOR, "WORD")),
        ("TOTAL_NUMBER", number(layout::TOTAL, "DWORD")),
        ("DECIDED_AT_NUMBER", number(layout::DECIDED_AT, "LWORD")),
    ]
}

/// The bytes of a field as one bit string, the first byte highest.
fn number<const LENGTH: usize>(field: Field<LENGTH>, bits: &str) -> String {
    let byte = |nth: usize| {
        let byte = format!("BYTE_TO_{bits}(Bytes[{}])", field.at + nth);
        match 8 * (LENGTH - 1 - nth) {
            0 => byte,
            shift => format!("SHL({byte}, {shift})"),
        }
    };
    (0..LENGTH)
        .map(byte)
        .collect::<Vec<_>>()
        .join("\n            OR ")
}

/// Places and values of single bytes.
fn places() -> [(&'static str, String); 15] {
    let [first, second] = MAGIC;
    let hex = |byte: u8| format!("{byte:02X}");
    [
        ("LENGTH", PLC_BLOCK_LENGTH.to_string()),
        ("LAST", (PLC_BLOCK_LENGTH - 1).to_string()),
        ("CRC_LAST", (layout::CRC.at - 1).to_string()),
        ("MAGIC", layout::MAGIC.at.to_string()),
        ("MAGIC_NEXT", (layout::MAGIC.at + 1).to_string()),
        ("MAGIC_FIRST", hex(first)),
        ("MAGIC_SECOND", hex(second)),
        ("SCHEMA", layout::SCHEMA.at.to_string()),
        ("BLOCK_SCHEMA", BLOCK_SCHEMA.to_string()),
        ("BLOCK_SCHEMA_HEX", hex(BLOCK_SCHEMA)),
        ("RESULT", layout::RESULT.at.to_string()),
        ("REASON", layout::REASON.at.to_string()),
        ("FLAGS", layout::FLAGS.at.to_string()),
        ("FLAG_REPEATED", hex(FLAG_REPEATED)),
        ("FLAGS_UNKNOWN", hex(!FLAG_REPEATED)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_placeholder_of_the_text_is_filled() {
        let text = structured_text();
        assert!(!text.contains('@'), "{text}");
    }
}
