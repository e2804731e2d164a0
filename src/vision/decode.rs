//! Picture files into pixels.
//!
//! A file is untrusted: its header is held against limits before anything of its size is allocated,
//! and a picture that is not whole is refused, since half a part looks like a good half. JPEG goes
//! straight to the strict mode of the decoder that `image` uses, because `image` itself takes
//! cut-off JPEGs for whole. Turning by EXIF is left out: a view's pixels are the sensor's.

use std::io::Cursor;
use std::time::Instant;

use image::{ColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use zune_jpeg::JpegDecoder;
use zune_jpeg::errors::DecodeErrors;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::whole::{jpeg_end, png_is_whole, tiff_is_whole};
use crate::domain::{Frame, FrameError, PixelFormat, SizePx};

/// How much a file may grow when it is decoded; more, and its header lies. Deflate packs 1032 bytes
/// into one, and a pixel of one bit becomes three bytes.
const EXPANSION_MAX: u64 = 1032 * 24;

/// The same for a JPEG: each block of 8 x 8 has one bit at least, and colour is stored for every
/// fourth pixel of every fourth row at the least, which is 3072 bytes out of 18 bits.
const JPEG_EXPANSION_MAX: u64 = 2048;

/// What a decoder may take besides the pixels and the file: rows, tables, a colour profile.
const WORK_BYTES_MAX: u64 = 4 * 1024 * 1024;

/// Bytes put in the place of a JPEG's end marker: the decoder reads at most 8 ahead.
const JPEG_FILLER: [u8; 8] = [0xAA; 8];

/// What a picture file may claim.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Longest side.
    pub side_max_px: u32,
    /// Most bytes of decoded pixels.
    pub bytes_max: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self {
            side_max_px: 20_000,
            bytes_max: 512 * 1024 * 1024,
        }
    }
}

/// Pixels without a camera; rows have no padding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// Width and height.
    pub size: SizePx,
    /// How the bytes are to be read.
    pub format: PixelFormat,
    /// The bytes, row by row.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// The picture as a frame of `camera`; no copy is made.
    ///
    /// # Errors
    /// [`FrameError`] if the pixels do not fill the size.
    pub fn into_frame(self, camera: &str, captured_at: Instant) -> Result<Frame, FrameError> {
        Frame::new(camera, self.size, self.format, self.pixels, captured_at)
    }
}

/// Why a file is no picture.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// There is nothing in it.
    #[error("the picture file is empty; was it still being written?")]
    Empty,
    /// It is something else.
    #[error("this is no PNG, JPEG, BMP or TIFF picture: it starts with `{start}`")]
    NoPicture {
        /// Its first bytes, escaped.
        start: String,
    },
    /// It claims more than the limits allow.
    #[error(
        "a picture of {width_px} x {height_px} px is over the limit of {side_max_px} px a side or {bytes_max} bytes; scale it down"
    )]
    TooLarge {
        /// The claimed width.
        width_px: u32,
        /// The claimed height.
        height_px: u32,
        /// The limit of a side.
        side_max_px: u32,
        /// The limit of the decoded pixels.
        bytes_max: u64,
    },
    /// It claims more pixels than its bytes can hold.
    #[error(
        "the header claims {width_px} x {height_px} px, but the file has only {found} bytes; write the picture anew"
    )]
    Lies {
        /// The claimed width.
        width_px: u32,
        /// The claimed height.
        height_px: u32,
        /// The file's length.
        found: usize,
    },
    /// It ends too early.
    #[error("the {format} is cut off after {found} bytes; was it still being written?")]
    CutOff {
        /// The file format.
        format: &'static str,
        /// The file's length.
        found: usize,
    },
    /// Its bytes contradict each other.
    #[error("the {format} is damaged; write or send the picture anew")]
    Damaged {
        /// The file format.
        format: &'static str,
        /// What the decoder met.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It is whole but of a kind that is not read.
    #[error("the {format} has pixels of kind {kind}; save it as 8 bit grey or RGB")]
    Kind {
        /// The file format.
        format: &'static str,
        /// The decoder's word for the pixels.
        kind: String,
    },
}

/// Decodes a PNG, JPEG, BMP or TIFF file: grey stays grey, 16 bit become 8, alpha is dropped.
///
/// # Errors
/// [`DecodeError`] if the file is empty, unknown, over the limits, cut off or damaged; the source
/// treats the frame as lost.
pub fn decode(bytes: &[u8], limits: DecodeLimits) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    let known = image::guess_format(bytes)
        .ok()
        .and_then(|format| Some((format, format_name(format)?)));
    let Some((format, name)) = known else {
        let start = bytes.iter().take(16).copied();
        return Err(DecodeError::NoPicture {
            start: start
                .flat_map(std::ascii::escape_default)
                .map(char::from)
                .collect(),
        });
    };
    if format == ImageFormat::Jpeg {
        return decode_jpeg(bytes, limits);
    }
    decode_by_image(bytes, format, name, limits)
}

fn format_name(format: ImageFormat) -> Option<&'static str> {
    [
        (ImageFormat::Png, "PNG"),
        (ImageFormat::Jpeg, "JPEG"),
        (ImageFormat::Bmp, "BMP"),
        (ImageFormat::Tiff, "TIFF"),
    ]
    .into_iter()
    .find_map(|(known, name)| (known == format).then_some(name))
}

fn ends_early(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        let early = error
            .downcast_ref::<std::io::Error>()
            .is_some_and(|e| e.kind() == std::io::ErrorKind::UnexpectedEof);
        if early {
            return true;
        }
        cause = error.source();
    }
    false
}

/// Holds a header against the limits and the file's length, before pixels are allocated.
fn check_claim(
    size: SizePx,
    decoded_bytes: u64,
    found: usize,
    limits: DecodeLimits,
    expansion_max: u64,
) -> Result<(), DecodeError> {
    let SizePx {
        width_px,
        height_px,
    } = size;
    if limits.side_max_px < width_px.max(height_px) || limits.bytes_max < decoded_bytes {
        return Err(DecodeError::TooLarge {
            width_px,
            height_px,
            side_max_px: limits.side_max_px,
            bytes_max: limits.bytes_max,
        });
    }
    if decoded_bytes == 0 || found as u64 * expansion_max < decoded_bytes {
        return Err(DecodeError::Lies {
            width_px,
            height_px,
            found,
        });
    }
    Ok(())
}

fn decode_by_image(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    limits: DecodeLimits,
) -> Result<Picture, DecodeError> {
    let refuse = |source: ImageError| refused(source, name, bytes.len());
    if format == ImageFormat::Tiff && !tiff_is_whole(bytes) {
        return Err(DecodeError::CutOff {
            format: name,
            found: bytes.len(),
        });
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut bounds = Limits::default();
    bounds.max_alloc = Some(WORK_BYTES_MAX);
    reader.limits(bounds.clone());
    let mut decoder = reader.into_decoder().map_err(refuse)?;
    let (width_px, height_px) = decoder.dimensions();
    let size = SizePx {
        width_px,
        height_px,
    };
    let decoded_bytes = decoder.total_bytes();
    check_claim(size, decoded_bytes, bytes.len(), limits, EXPANSION_MAX)?;
    // Only PNG took the limits from the reader. TIFF counts the pixels and a whole strip as well.
    bounds.max_alloc = Some(decoded_bytes + bytes.len() as u64 + WORK_BYTES_MAX);
    decoder.set_limits(bounds).map_err(refuse)?;
    if format == ImageFormat::Png && !png_is_whole(bytes) {
        return Err(DecodeError::CutOff {
            format: name,
            found: bytes.len(),
        });
    }
    let color = decoder.color_type();
    let length = usize::try_from(decoded_bytes).unwrap_or(usize::MAX);
    let mut pixels = vec![0; length];
    decoder.read_image(&mut pixels).map_err(refuse)?;
    let (format, pixels) =
        eight_bit(color, pixels).map_err(|kind| DecodeError::Kind { format: name, kind })?;
    Ok(Picture {
        size,
        format,
        pixels,
    })
}

fn refused(source: ImageError, format: &'static str, found: usize) -> DecodeError {
    if let ImageError::Unsupported(source) = source {
        let kind = source.to_string();
        return DecodeError::Kind { format, kind };
    }
    // The decoders say "unexpected end" in their own ways; what follows from it is the same.
    if ends_early(&source) {
        return DecodeError::CutOff { format, found };
    }
    DecodeError::Damaged {
        format,
        source: Box::new(source),
    }
}

/// Drops alpha and scales 16 bit to 8; pixels that are already right are moved, not copied.
fn eight_bit(color: ColorType, pixels: Vec<u8>) -> Result<(PixelFormat, Vec<u8>), String> {
    let format = if color.has_color() {
        PixelFormat::Rgb8
    } else {
        PixelFormat::Gray8
    };
    let keep = format.channels();
    let pixels = match color {
        ColorType::L8 | ColorType::Rgb8 => pixels,
        ColorType::La8 | ColorType::Rgba8 => pixels
            .chunks_exact(keep + 1)
            .flat_map(|pixel| pixel.iter().take(keep).copied())
            .collect(),
        ColorType::L16 | ColorType::Rgb16 | ColorType::La16 | ColorType::Rgba16 => pixels
            .chunks_exact(usize::from(color.bytes_per_pixel()))
            .flat_map(|pixel| {
                pixel
                    .as_chunks()
                    .0
                    .iter()
                    .take(keep)
                    .map(|two| from_16(*two))
            })
            .collect(),
        ColorType::Rgb32F | ColorType::Rgba32F | _ => return Err(format!("{color:?}")),
    };
    Ok((format, pixels))
}

fn from_16(two: [u8; 2]) -> u8 {
    // 257 = 65535 / 255; the sum is at most 255 after the division.
    u8::try_from((u32::from(u16::from_ne_bytes(two)) + 128) / 257).unwrap_or(u8::MAX)
}

fn decode_jpeg(bytes: &[u8], limits: DecodeLimits) -> Result<Picture, DecodeError> {
    const FORMAT: &str = "JPEG";
    let cut_off = || DecodeError::CutOff {
        format: FORMAT,
        found: bytes.len(),
    };
    let damaged = |source: DecodeErrors| DecodeError::Damaged {
        format: FORMAT,
        source: Box::new(source),
    };
    let end = jpeg_end(bytes);
    let options = DecoderOptions::default()
        .set_strict_mode(true)
        .set_max_width(usize::MAX)
        .set_max_height(usize::MAX);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    if let Err(error) = decoder.decode_headers() {
        return Err(if end.is_some() {
            damaged(error)
        } else {
            cut_off()
        });
    }
    let (width, height) = decoder.dimensions().unwrap_or_default();
    let size = SizePx {
        width_px: u32::try_from(width).unwrap_or(u32::MAX),
        height_px: u32::try_from(height).unwrap_or(u32::MAX),
    };
    let (format, space) = match decoder.input_colorspace() {
        Some(ColorSpace::Luma) => (PixelFormat::Gray8, ColorSpace::Luma),
        Some(ColorSpace::YCbCr | ColorSpace::RGB) => (PixelFormat::Rgb8, ColorSpace::RGB),
        other => {
            return Err(DecodeError::Kind {
                format: FORMAT,
                kind: format!("{other:?}"),
            });
        }
    };
    let length = (width as u64) * (height as u64) * format.channels() as u64;
    check_claim(size, length, bytes.len(), limits, JPEG_EXPANSION_MAX)?;
    let end = end.ok_or_else(cut_off)?;
    let options = options.jpeg_set_out_colorspace(space);
    let pixels = if end.is_one_scan {
        // Behind an end marker the decoder invents the rest, so that a picture that was cut off and
        // closed would pass. Without the marker it must find every pixel's bits.
        let scan = bytes.get(..end.at).unwrap_or(bytes);
        let open = [scan, &JPEG_FILLER].concat();
        JpegDecoder::new_with_options(ZCursor::new(&open), options).decode()
    } else {
        JpegDecoder::new_with_options(ZCursor::new(bytes), options).decode()
    };
    let pixels = pixels.map_err(damaged)?;
    if pixels.len() as u64 != length {
        return Err(cut_off());
    }
    Ok(Picture {
        size,
        format,
        pixels,
    })
}

#[cfg(test)]
mod tests;
