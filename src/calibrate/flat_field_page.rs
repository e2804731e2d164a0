//! The report of a flat field as one page: how uneven the light is, and where.

use std::time::Instant;

use super::flat_field::FlatFieldStudy;
use crate::domain::Frame;
use crate::page::{figure, html, page};
use crate::vision::{VisionError, encode_jpeg};

/// Quality of the picture in the page.
const QUALITY: u8 = 85;

impl FlatFieldStudy {
    /// The page.
    pub fn page(&self) -> String {
        let title = format!("Flat field of {}", self.draft.camera);
        let [darkest, brightest] = self.levels;
        let gain = f64::from(brightest) / f64::from(darkest.max(1));
        let shown = self.stretched().map_err(|error| error.to_string());
        let size = self.card.size();
        let body = html! {
            h1 { (title) }
            p.soft {
                "mean of " (self.n_pictures) " pictures of a grey card; " (size.width_px) " x " (size.height_px)
                " px; made " (self.draft.made_at_utc)
            }
            div.tiles {
                div.tile { div.name { "darkest level" } div.value { (darkest) } }
                div.tile { div.name { "brightest level" } div.value { (brightest) } }
                div.tile { div.name { "most that is evened out" } div.value { (format!("{gain:.2} times")) } }
            }
            h2 { "Where the light falls" }
            (figure("the flat field", shown.as_deref().map_err(String::as_str), &html! {
                "The card with its darkest level drawn black and its brightest white. A lamp, a lens's edge and dust on the "
                "sensor show as soft shades; lines, letters and hard spots lie on the card itself: take another."
            }))
        };
        page(&title, &body)
    }

    /// The card with all its levels spread from black to white, as a JPEG file.
    fn stretched(&self) -> Result<Vec<u8>, VisionError> {
        let [darkest, brightest] = self.levels.map(u16::from);
        let span = brightest.saturating_sub(darkest).max(1);
        let spread = |level: &u8| {
            let above = u16::from(*level).saturating_sub(darkest);
            u8::try_from(above * 255 / span).unwrap_or(u8::MAX)
        };
        let pixels = self.card.pixels().iter().map(spread).collect();
        let (size, format) = (self.card.size(), self.card.format());
        let frame = Frame::new(&self.draft.camera, size, format, pixels, Instant::now())?;
        encode_jpeg(&frame, QUALITY)
    }
}
