//! Where each field of the PLC block lies: one table for writing, reading, the contract and the
//! Structured Text.

use super::PLC_BLOCK_LENGTH;

/// A field of so many bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<const LENGTH: usize> {
    /// Its first byte.
    pub(super) at: usize,
    /// What it says, as the contract has it.
    pub(super) content: &'static str,
}

impl<const LENGTH: usize> Field<LENGTH> {
    const fn first(content: &'static str) -> Self {
        Self { at: 0, content }
    }

    /// The field behind this one: no gap, no overlap.
    const fn then<const NEXT: usize>(self, content: &'static str) -> Field<NEXT> {
        let at = self.at + LENGTH;
        Field { at, content }
    }

    const fn row(self) -> Row {
        Row {
            at: self.at,
            length: LENGTH,
            content: self.content,
        }
    }
}

pub(super) const MAGIC: Field<2> = Field::first("`54 47` hexadecimal, \"TG\"");
pub(super) const SCHEMA: Field<1> = MAGIC.then("schema of this block: 1");
pub(super) const RESULT: Field<1> = SCHEMA.then("result: 1 OK, 2 not OK, 3 not decidable");
pub(super) const SEQUENCE: Field<4> = RESULT.then("sequence of the trigger");
pub(super) const REASON: Field<1> =
    SEQUENCE.then("reason of result 3, see below; 0 for results 1 and 2");
pub(super) const FLAGS: Field<1> = REASON.then("flags: bit 0 = repeated answer; bits 1 to 7 are 0");
pub(super) const FINDINGS: Field<2> = FLAGS.then("number of findings; 65535 = that many or more");
pub(super) const DEFECT: Field<2> = FINDINGS.then(
    "number of the worst finding's class in its standard (ISO 6520-1: 100 = crack); 0 = none",
);
pub(super) const VALID_FOR: Field<2> = DEFECT
    .then("valid for so many milliseconds after the time in byte 20; 65535 = that many or more");
pub(super) const TOTAL: Field<4> = VALID_FOR.then("milliseconds from trigger to verdict");
pub(super) const DECIDED_AT: Field<8> =
    TOTAL.then("decided at, milliseconds since 1970-01-01 00:00 UTC, signed");
pub(super) const CRC: Field<4> = DECIDED_AT.then("CRC-32 of bytes 0 to 27");

/// A field whatever its length.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    /// Its first byte.
    pub(super) at: usize,
    /// Its length in bytes.
    pub(super) length: usize,
    /// What it says, as the contract has it.
    pub(super) content: &'static str,
}

/// The whole block.
pub(super) const ROWS: [Row; 12] = [
    MAGIC.row(),
    SCHEMA.row(),
    RESULT.row(),
    SEQUENCE.row(),
    REASON.row(),
    FLAGS.row(),
    FINDINGS.row(),
    DEFECT.row(),
    VALID_FOR.row(),
    TOTAL.row(),
    DECIDED_AT.row(),
    CRC.row(),
];

const _: () = assert!(CRC.at + 4 == PLC_BLOCK_LENGTH, "the fields fill the block");
