//! Whether a picture file runs to its own end: the end markers of PNG and JPEG, the directory of TIFF.
//!
//! The decoders look only at what they need; a file that was cut off while it was written may still
//! give them a picture. The one of TIFF makes room for what a directory claims before it looks whether
//! the file has it.

/// Whether the PNG's chunks lead to its `IEND` (PNG specification, third edition, section 5.3).
pub(super) fn png_is_whole(bytes: &[u8]) -> bool {
    const SIGNATURE: usize = 8;
    let mut rest = bytes.get(SIGNATURE..).unwrap_or_default();
    // Every round takes at least 12 bytes away.
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let Some(kind) = after.first_chunk::<4>() else {
            return false;
        };
        // The type, the data and the checksum.
        let size = u64::from(u32::from_be_bytes(*length)) + 8;
        let Some(next) = usize::try_from(size).ok().and_then(|n| after.get(n..)) else {
            return false;
        };
        if kind == b"IEND" {
            return true;
        }
        rest = next;
    }
    false
}

/// Whether all values that the first directory of a TIFF names lie within the file (TIFF 6.0, section 2).
pub(super) fn tiff_is_whole(bytes: &[u8]) -> bool {
    tiff_values_are_within(bytes).unwrap_or(false)
}

/// `None` where the file ends before its directory does.
fn tiff_values_are_within(bytes: &[u8]) -> Option<bool> {
    const ENTRY: usize = 12;
    let is_little = bytes.starts_with(b"II");
    let short = |at: usize| {
        let two = *bytes.get(at..)?.first_chunk::<2>()?;
        let short = if is_little {
            u16::from_le_bytes
        } else {
            u16::from_be_bytes
        };
        Some(usize::from(short(two)))
    };
    let long = |at: usize| {
        let four = *bytes.get(at..)?.first_chunk::<4>()?;
        let long = if is_little {
            u32::from_le_bytes
        } else {
            u32::from_be_bytes
        };
        usize::try_from(long(four)).ok()
    };
    let directory = long(4)?;
    for entry in 0..short(directory)? {
        let at = directory.checked_add(2 + entry * ENTRY)?;
        let (kind, count) = (short(at + 2)?, long(at + 4)?);
        let length = count.checked_mul(tiff_value_size(kind))?;
        // Four bytes have their place in the entry itself.
        if 4 < length && bytes.len() < long(at + 8)?.checked_add(length)? {
            return Some(false);
        }
    }
    Some(true)
}

/// Bytes of a value of a TIFF type; no decoder reads those of types that are not known.
fn tiff_value_size(kind: usize) -> usize {
    match kind {
        // BYTE, ASCII, SBYTE, UNDEFINED
        1 | 2 | 6 | 7 => 1,
        // SHORT, SSHORT
        3 | 8 => 2,
        // LONG, SLONG, FLOAT, IFD
        4 | 9 | 11 | 13 => 4,
        // RATIONAL, SRATIONAL, DOUBLE, LONG8, SLONG8, IFD8
        5 | 10 | 12 | 16..=18 => 8,
        _ => 0,
    }
}

/// Where a JPEG's own picture ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct JpegEnd {
    /// Where the end marker starts.
    pub(super) at: usize,
    /// Whether all pixels lie in one sequential scan, top to bottom.
    pub(super) is_one_scan: bool,
}

/// Follows the JPEG's segments and scans to its end marker (ITU-T T.81, B.1.1); `None` if there is
/// none.
pub(super) fn jpeg_end(bytes: &[u8]) -> Option<JpegEnd> {
    let mut rest = bytes.strip_prefix(&[0xFF, 0xD8])?;
    let mut n_scans = 0;
    let mut is_sequential = false;
    // Every round takes at least the marker away.
    loop {
        let (marker, after) = next_marker(rest)?;
        rest = match marker {
            // EOI
            0xD9 => {
                return Some(JpegEnd {
                    at: bytes.len() - after.len() - 2,
                    is_one_scan: is_sequential && n_scans == 1,
                });
            }
            // Markers that stand alone: TEM and restarts.
            0x01 | 0xD0..=0xD7 => after,
            _ => {
                let length = usize::from(u16::from_be_bytes(*after.first_chunk::<2>()?));
                after.get(length.max(2)..)?
            }
        };
        match marker {
            // SOF0 and SOF1: baseline and extended sequential.
            0xC0 | 0xC1 => is_sequential = true,
            // SOS
            0xDA => {
                n_scans += 1;
                rest = after_scan(rest);
            }
            _ => {}
        }
    }
}

/// The next marker and what follows it; bytes before it and fill bytes are skipped.
fn next_marker(bytes: &[u8]) -> Option<(u8, &[u8])> {
    let start = bytes.iter().position(|byte| *byte == 0xFF)?;
    let mut rest = bytes.get(start..)?.iter();
    let marker = *rest.find(|byte| **byte != 0xFF)?;
    Some((marker, rest.as_slice()))
}

/// Skips entropy-coded data: up to the first marker that is neither a stuffed byte nor a restart.
fn after_scan(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| *byte == 0xFF) {
        rest = rest.get(at..).unwrap_or_default();
        match rest.get(1) {
            Some(0x00 | 0xD0..=0xD7) => rest = rest.get(2..).unwrap_or_default(),
            Some(0xFF) => rest = rest.get(1..).unwrap_or_default(),
            Some(_) => return rest,
            None => return &[],
        }
    }
    &[]
}
