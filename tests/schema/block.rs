//! The PLC block in Structured Text: the shipped example, and the function block run on good and bad bytes.

use crc::{CRC_32_ISO_HDLC, Crc};
use serde_json::{Value, json};
use taktgate::domain::{Reason, Verdict};
use taktgate::publish::{PLC_BLOCK_LENGTH, PlcBlock, PlcError};

use super::{folder, shipped, tools};

const OTHER_BLOCK: PlcBlock = PlcBlock {
    sequence: u32::MAX,
    verdict: Verdict::Ok,
    is_repeated: false,
    findings_count: u16::MAX,
    defect_code: 0x8001,
    valid_for_ms: 0x7f80,
    total_ms: 0x8000_0001,
    decided_at_unix_ms: -2,
};

#[test]
fn the_example_of_the_structured_text_is_a_block() {
    let text = shipped("taktgate.st");
    let bytes: Vec<u8> = text
        .lines()
        .skip_while(|line| !line.contains("Example"))
        .take_while(|line| *line != "*)")
        .flat_map(|line| line.strip_prefix("     ").unwrap_or_default().split(' '))
        .filter_map(|byte| u8::from_str_radix(byte, 16).ok())
        .collect();
    assert_eq!(PlcBlock::decode(&bytes), Ok(PlcBlock::EXAMPLE));
    assert_eq!(bytes, PlcBlock::EXAMPLE.encode());
}

/// The bytes with one of them changed and the CRC made to fit.
fn changed(block: PlcBlock, at: usize, value: u8) -> Vec<u8> {
    let mut bytes = block.encode().to_vec();
    bytes[at] = value;
    let crc = Crc::<u32>::new(&CRC_32_ISO_HDLC).checksum(&bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_be_bytes());
    bytes
}

fn messages() -> Vec<Vec<u8>> {
    let verdicts = Reason::ALL
        .map(Verdict::Indeterminate)
        .into_iter()
        .chain([Verdict::Ok, Verdict::Ng]);
    let mut messages: Vec<Vec<u8>> = verdicts
        .flat_map(|verdict| {
            let example = PlcBlock {
                verdict,
                ..PlcBlock::EXAMPLE
            };
            [
                example,
                PlcBlock {
                    verdict,
                    ..OTHER_BLOCK
                },
            ]
        })
        .map(|block| block.encode().to_vec())
        .collect();
    // Damage: one bit of each byte.
    for at in 0..PLC_BLOCK_LENGTH {
        let mut bytes = PlcBlock::EXAMPLE.encode().to_vec();
        bytes[at] ^= 1 << (at % 8);
        messages.push(bytes);
    }
    // Bytes of another version, and contradictions, with a CRC that is right.
    for (at, value) in [
        (0, 0),
        (2, 2),
        (3, 0),
        (3, 1),
        (3, 2),
        (3, 4),
        (8, 0),
        (8, 13),
        (8, 255),
        (9, 2),
        (9, 128),
    ] {
        messages.push(changed(PlcBlock::EXAMPLE, at, value));
        messages.push(changed(OTHER_BLOCK, at, value));
    }
    messages.push(PlcBlock::EXAMPLE.encode()[..31].to_vec());
    messages.push(Vec::new());
    messages
}

/// What `TG_Fault` numbers.
fn fault(error: &PlcError) -> u8 {
    match error {
        PlcError::Length { .. } => 1,
        PlcError::Magic { .. } => 2,
        PlcError::Crc { .. } => 3,
        PlcError::Value { what: "schema", .. } => 4,
        PlcError::Value { what: "flags", .. } => 5,
        PlcError::Value { what: "result", .. } => 6,
        PlcError::Value { .. } => 7,
    }
}

/// What the function block must answer to a call with these bytes.
fn expected(bytes: &[u8], call: &Value) -> Value {
    let (fault, passes, verdict) = match PlcBlock::decode(bytes) {
        Err(error) => (
            fault(&error),
            false,
            json!({
                "Sequence": 0, "Result": 0, "Reason": 0, "Repeated": false, "Findings": 0, "Defect": 0,
                "ValidFor_ms": 0, "Total_ms": 0, "DecidedAt_ms": 0,
            }),
        ),
        Ok(block) => (
            0,
            call["InTime"] == true
                && call["Sequence"] == block.sequence
                && block.verdict == Verdict::Ok,
            json!({
                "Sequence": block.sequence,
                "Result": block.verdict.opc_code(),
                "Reason": block.verdict.reason().map_or(0, Reason::wire_code),
                "Repeated": block.is_repeated,
                "Findings": block.findings_count,
                "Defect": block.defect_code,
                "ValidFor_ms": block.valid_for_ms,
                "Total_ms": block.total_ms,
                "DecidedAt_ms": block.decided_at_unix_ms,
            }),
        ),
    };
    json!({"Valid": fault == 0, "Passes": passes, "Fault": fault, "Verdict": verdict})
}

#[test]
fn the_function_block_reads_what_the_program_reads() {
    let Some(tools) = tools::tools() else { return };
    let mut calls = Vec::new();
    let mut answers = Vec::new();
    for (nth, bytes) in messages().into_iter().enumerate() {
        let in_time = nth % 5 != 0;
        let sequence = if nth % 7 == 0 {
            1
        } else {
            OTHER_BLOCK.sequence
        };
        let mut array = bytes.clone();
        array.resize(PLC_BLOCK_LENGTH, 0);
        calls.push(json!({
            "Bytes": array, "Length": bytes.len(), "Sequence": sequence, "InTime": in_time,
        }));
        answers.push(expected(&bytes, &calls[nth]));
    }
    // A good part that waits, that is another one, that is too late.
    for (sequence, in_time) in [
        (OTHER_BLOCK.sequence, true),
        (7, true),
        (OTHER_BLOCK.sequence, false),
    ] {
        let bytes = OTHER_BLOCK.encode();
        let call = json!({"Bytes": bytes, "Length": 32, "Sequence": sequence, "InTime": in_time});
        answers.push(expected(&bytes, &call));
        calls.push(call);
    }
    let passes = |answer: &Value| answer["Passes"] == true;
    let last = &answers[answers.len() - 3..];
    assert_eq!(
        last.iter().map(passes).collect::<Vec<_>>(),
        [true, false, false]
    );
    let found = tools.run_structured_text(&folder().join("taktgate.st"), &calls.clone().into());
    assert_eq!(found.len(), answers.len());
    for ((call, found), answer) in calls.iter().zip(&found).zip(&answers) {
        assert_eq!(found, answer, "{call}");
    }
}
