//! The verdict in 32 bytes for controllers that do not read JSON: `verdict/plc`.
//!
//! All numbers are unsigned and big-endian unless said otherwise; [`layout`] says which byte holds
//! what, and `docs/wire.md` shows the same table.
//!
//! The CRC has 32 bits because they fill the block to a round size, and because every PLC library
//! that has a CRC at all has this one.

use std::time::Duration;

use crc::{CRC_32_ISO_HDLC, Crc};

use crate::domain::{Reason, Sequence, Verdict};

use super::verdict::VerdictPayload;
use super::{PayloadError, SCHEMA};
use layout::Field;

mod iec;
mod layout;

pub(super) use iec::structured_text;

/// Length of the block in bytes.
pub const PLC_BLOCK_LENGTH: usize = 32;

const MAGIC: [u8; 2] = *b"TG";
// The block has its own number in one byte; it stays in step with the JSON payloads.
const BLOCK_SCHEMA: u8 = SCHEMA.to_be_bytes()[3];
const CRC: Crc<u32> = Crc::<u32>::new(&CRC_32_ISO_HDLC);
const FLAG_REPEATED: u8 = 1;

/// What the block says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlcBlock {
    /// The trigger's count.
    pub sequence: Sequence,
    /// The verdict.
    pub verdict: Verdict,
    /// Whether this is a known answer sent again.
    pub is_repeated: bool,
    /// How many findings there are; 65535 stands for that many or more.
    pub findings_count: u16,
    /// The number of the worst finding's class in its standard; 0 if it has none.
    pub defect_code: u16,
    /// How long the verdict holds after it was decided; 65535 stands for that long or longer.
    pub valid_for_ms: u16,
    /// From trigger to verdict.
    pub total_ms: u32,
    /// When it was decided, milliseconds since 1970-01-01 UTC.
    pub decided_at_unix_ms: i64,
}

/// Why bytes are no block; the controller treats it as no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlcError {
    /// Not 32 bytes.
    #[error("the PLC block has {found} bytes instead of {PLC_BLOCK_LENGTH}; discard it")]
    Length {
        /// The bytes that came.
        found: usize,
    },
    /// Not "TG".
    #[error("the PLC block starts with {found:02x?} instead of {MAGIC:02x?}; is the topic right?")]
    Magic {
        /// The first two bytes.
        found: [u8; 2],
    },
    /// Damaged.
    #[error("the PLC block's CRC is {found:08x} but its bytes give {computed:08x}; discard it")]
    Crc {
        /// As received.
        found: u32,
        /// As computed.
        computed: u32,
    },
    /// A byte with a value that this version does not know.
    #[error(
        "byte {at} ({what}) of the PLC block is {found}, which schema {BLOCK_SCHEMA} does not know; discard it"
    )]
    Value {
        /// Its place.
        at: usize,
        /// What it means.
        what: &'static str,
        /// Its value.
        found: u8,
    },
}

impl PlcBlock {
    /// The block that the contract and the Structured Text show byte for byte.
    pub const EXAMPLE: Self = Self {
        sequence: 4711,
        verdict: Verdict::Indeterminate(Reason::NoFrame),
        is_repeated: true,
        findings_count: 2,
        defect_code: 2011,
        valid_for_ms: 500,
        total_ms: 187,
        decided_at_unix_ms: 1_795_000_000_000,
    };

    /// The block of a verdict that holds for `valid_for` after it was decided.
    ///
    /// # Errors
    /// [`PayloadError`] if the payload contradicts itself.
    pub fn new(payload: &VerdictPayload, valid_for: Duration) -> Result<Self, PayloadError> {
        Ok(Self {
            sequence: payload.sequence,
            verdict: payload.verdict()?,
            is_repeated: payload.repeated,
            findings_count: u16::try_from(payload.findings_count).unwrap_or(u16::MAX),
            defect_code: payload
                .findings
                .first()
                .map_or(0, |finding| class_number(&finding.code)),
            valid_for_ms: u16::try_from(valid_for.as_millis()).unwrap_or(u16::MAX),
            total_ms: u32::try_from(payload.total_ms).unwrap_or(u32::MAX),
            decided_at_unix_ms: payload.decided_at_utc.as_millisecond(),
        })
    }

    /// The bytes to send.
    pub fn encode(&self) -> [u8; PLC_BLOCK_LENGTH] {
        let reason = self.verdict.reason().map_or(0, Reason::wire_code);
        let flags = if self.is_repeated { FLAG_REPEATED } else { 0 };
        let mut block = [0; PLC_BLOCK_LENGTH];
        put(&mut block, layout::MAGIC, MAGIC);
        put(&mut block, layout::SCHEMA, [BLOCK_SCHEMA]);
        put(&mut block, layout::RESULT, [self.verdict.opc_code()]);
        put(&mut block, layout::SEQUENCE, self.sequence.to_be_bytes());
        put(&mut block, layout::REASON, [reason]);
        put(&mut block, layout::FLAGS, [flags]);
        put(
            &mut block,
            layout::FINDINGS,
            self.findings_count.to_be_bytes(),
        );
        put(&mut block, layout::DEFECT, self.defect_code.to_be_bytes());
        put(
            &mut block,
            layout::VALID_FOR,
            self.valid_for_ms.to_be_bytes(),
        );
        put(&mut block, layout::TOTAL, self.total_ms.to_be_bytes());
        let decided_at = self.decided_at_unix_ms.to_be_bytes();
        put(&mut block, layout::DECIDED_AT, decided_at);
        let crc = checksum(&block).to_be_bytes();
        put(&mut block, layout::CRC, crc);
        block
    }

    /// Reads and checks a block.
    ///
    /// # Errors
    /// [`PlcError`]: the controller treats it as no answer, which is a reject.
    pub fn decode(bytes: &[u8]) -> Result<Self, PlcError> {
        if bytes.len() != PLC_BLOCK_LENGTH {
            return Err(PlcError::Length { found: bytes.len() });
        }
        let magic = take(bytes, layout::MAGIC);
        if magic != MAGIC {
            return Err(PlcError::Magic { found: magic });
        }
        let found = u32::from_be_bytes(take(bytes, layout::CRC));
        let computed = checksum(bytes);
        if found != computed {
            return Err(PlcError::Crc { found, computed });
        }
        let [schema] = take(bytes, layout::SCHEMA);
        if schema != BLOCK_SCHEMA {
            return Err(unknown(layout::SCHEMA, "schema", schema));
        }
        let [flags] = take(bytes, layout::FLAGS);
        if flags & !FLAG_REPEATED != 0 {
            return Err(unknown(layout::FLAGS, "flags", flags));
        }
        let ([result], [reason]) = (take(bytes, layout::RESULT), take(bytes, layout::REASON));
        Ok(Self {
            sequence: u32::from_be_bytes(take(bytes, layout::SEQUENCE)),
            verdict: verdict(result, reason)?,
            is_repeated: flags & FLAG_REPEATED != 0,
            findings_count: u16::from_be_bytes(take(bytes, layout::FINDINGS)),
            defect_code: u16::from_be_bytes(take(bytes, layout::DEFECT)),
            valid_for_ms: u16::from_be_bytes(take(bytes, layout::VALID_FOR)),
            total_ms: u32::from_be_bytes(take(bytes, layout::TOTAL)),
            decided_at_unix_ms: i64::from_be_bytes(take(bytes, layout::DECIDED_AT)),
        })
    }
}

fn unknown(field: Field<1>, what: &'static str, found: u8) -> PlcError {
    let at = field.at;
    PlcError::Value { at, what, found }
}

fn verdict(result: u8, reason: u8) -> Result<Verdict, PlcError> {
    let bad_reason = unknown(layout::REASON, "reason", reason);
    match result {
        1 | 2 if reason != 0 => Err(bad_reason),
        1 => Ok(Verdict::Ok),
        2 => Ok(Verdict::Ng),
        3 => Reason::ALL
            .into_iter()
            .find(|known| known.wire_code() == reason)
            .map(Verdict::Indeterminate)
            .ok_or(bad_reason),
        found => Err(unknown(layout::RESULT, "result", found)),
    }
}

/// The CRC of all that stands before it.
fn checksum(block: &[u8]) -> u32 {
    CRC.checksum(block.get(..layout::CRC.at).unwrap_or(block))
}

fn put<const N: usize>(block: &mut [u8], field: Field<N>, bytes: [u8; N]) {
    for (to, from) in block.iter_mut().skip(field.at).zip(bytes) {
        *to = from;
    }
}

fn take<const N: usize>(bytes: &[u8], field: Field<N>) -> [u8; N] {
    let mut taken = [0; N];
    for (to, from) in taken.iter_mut().zip(bytes.iter().skip(field.at)) {
        *to = *from;
    }
    taken
}

/// The number in a code such as `iso6520-1:2011`; 0 if there is none.
fn class_number(code: &str) -> u16 {
    code.rsplit(':')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_layout_never_moves() {
        insta::assert_snapshot!(format!("{:02x?}", PlcBlock::EXAMPLE.encode()), @"[54, 47, 01, 03, 00, 00, 12, 67, 02, 01, 00, 02, 07, db, 01, f4, 00, 00, 00, bb, 00, 00, 01, a1, ee, 56, 5e, 00, 84, c0, 54, 98]");
    }

    #[test]
    fn the_contract_shows_this_block_and_every_reason() {
        let contract = include_str!("../../docs/wire.md");
        let hex = PlcBlock::EXAMPLE
            .encode()
            .map(|byte| format!("{byte:02x}"))
            .join(" ");
        assert!(contract.contains(&hex));
        let rows = layout::ROWS;
        assert_eq!(
            rows.map(|row| row.at),
            [0, 2, 3, 4, 8, 9, 10, 12, 14, 16, 20, 28]
        );
        for row in rows {
            let row = format!("| {} | {} | {} |", row.at, row.length, row.content);
            assert!(contract.contains(&row), "{row}");
        }
        for reason in Reason::ALL {
            let row = format!("| {} | `{}` |", reason.wire_code(), reason.word());
            assert!(contract.contains(&row), "{row}");
        }
    }

    #[test]
    fn a_bad_block_says_why() {
        let good = PlcBlock::EXAMPLE.encode();
        assert_eq!(
            PlcBlock::decode(&good[..31]),
            Err(PlcError::Length { found: 31 })
        );
        assert_eq!(
            PlcBlock::decode(&[0; 32]),
            Err(PlcError::Magic { found: [0, 0] })
        );
        for (at, value, what) in [
            (2, 2, "schema"),
            (3, 0, "result"),
            (3, 1, "reason"),
            (8, 99, "reason"),
            (9, 2, "flags"),
        ] {
            let mut bad = good;
            bad[at] = value;
            let crc = checksum(&bad).to_be_bytes();
            put(&mut bad, layout::CRC, crc);
            let Err(PlcError::Value { what: found, .. }) = PlcBlock::decode(&bad) else {
                panic!("{what}")
            };
            assert_eq!(found, what);
        }
    }

    #[test]
    fn a_class_number_is_the_end_of_its_code() {
        assert_eq!(
            ["iso6520-1:2011", "401", "", "in-house:A7"].map(class_number),
            [2011, 401, 0, 0]
        );
    }

    fn blocks() -> impl Strategy<Value = PlcBlock> {
        let verdicts = prop_oneof![
            Just(Verdict::Ok),
            Just(Verdict::Ng),
            proptest::sample::select(Reason::ALL.to_vec()).prop_map(Verdict::Indeterminate),
        ];
        (any::<(u32, bool, u16, u16, u16, u32, i64)>(), verdicts).prop_map(|(n, verdict)| {
            PlcBlock {
                sequence: n.0,
                verdict,
                is_repeated: n.1,
                findings_count: n.2,
                defect_code: n.3,
                valid_for_ms: n.4,
                total_ms: n.5,
                decided_at_unix_ms: n.6,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded_again(block in blocks()) {
            prop_assert_eq!(PlcBlock::decode(&block.encode()), Ok(block));
        }

        #[test]
        fn any_flipped_bit_is_found(block in blocks(), bit in 0_usize..256) {
            let mut bytes = block.encode();
            bytes[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(PlcBlock::decode(&bytes).is_err());
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            prop_assert!(PlcBlock::decode(&bytes).is_err());
        }
    }
}
