//! Whether a picture file runs to its own end: the end markers of PNG and JPEG.
//!
//! The decoders look only at what they need; a file that was cut off while it was written may still
//! give them a picture.

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
