//! The report of a camera's colours as one page: figures, patches as seen, corrected and as they should be, pictures.

use std::time::Instant;

use super::ColourStudy;
use super::cie::linear_from_lab;
use crate::calibration::{Difference, srgb_from_linear};
use crate::page::{Markup, figure, html, page};
use crate::vision::{
    PatchName, Picture, Place, PlaceKind, VisionError, correct_colour, draw_places, encode_jpeg,
};

/// Quality of the pictures in the page.
const QUALITY: u8 = 85;
/// A patch's side and its distance to the next on the drawing.
const SIDE: f64 = 96.0;
const STEP: f64 = 106.0;
const N_COLUMNS: usize = 6;

impl ColourStudy {
    /// The page.
    pub fn page(&self, camera: &str) -> String {
        let title = format!("Colours of {camera}");
        let figures = &self.figures;
        let body = html! {
            h1 { (title) }
            p.soft {
                "chart: " (figures.reference) "; " (figures.n_pictures) " pictures; curve " (self.colour.curve) "; made "
                (self.draft.made_at_utc)
            }
            div.tiles {
                (tile("difference as the camera gives it", figures.before))
                (tile("corrected", figures.after))
                (tile("corrected, patch left out of the fit", figures.held_out))
            }
            p.soft.small { "Differences are CIEDE2000, of the matrix alone: what sRGB cannot show, such as the patch cyan, is cut only in pictures." }
            h2 { "Patches" }
            (self.patches_drawn())
            h2 { "Pictures" }
            div.gallery { (self.shown("as the camera gives it", |_| Ok(self.picture.clone()))) (self.shown("corrected", |study| correct_colour(&study.picture, &study.colour))) }
            h2 { "Patch by patch" }
            (self.patch_table())
            h2 { "Matrix" }
            (self.matrix_table())
        };
        page(&title, &body)
    }

    /// Every patch in three parts: as seen, corrected, as it should be.
    fn patches_drawn(&self) -> Markup {
        let should = self
            .reference
            .lab
            .iter()
            .map(|lab| linear_from_lab(*lab).map(srgb_from_linear));
        let patches = self.levels.iter().zip(should).enumerate();
        html! {
            figure.wide {
                svg viewBox=(format!("0 0 {:.0} {:.0}", STEP * N_COLUMNS as f64, STEP * 4.0)) role="img" aria-label="patches as seen, corrected and as they should be" {
                    @for (at, (levels, should)) in patches {
                        @let (x, y) = (STEP * (at % N_COLUMNS) as f64, STEP * (at / N_COLUMNS) as f64);
                        @let parts = [levels.map(|level| level / 255.0), self.colour.linear_srgb(*levels).map(srgb_from_linear), should];
                        @for (part, rgb) in parts.into_iter().enumerate() {
                            rect x=(format!("{:.0}", x + SIDE / 3.0 * part as f64)) y=(y) width=(SIDE / 3.0) height=(SIDE) fill=(css(rgb)) {}
                        }
                    }
                }
                figcaption { "Each patch from left to right: as the camera gives it, corrected, as the reference has it." }
            }
        }
    }

    /// A picture with the places that were read.
    fn shown(&self, name: &str, picture: impl Fn(&Self) -> Result<Picture, VisionError>) -> Markup {
        let jpeg = || {
            let frame = picture(self)?.into_frame(&self.draft.camera, Instant::now())?;
            let places: Vec<Place> = self
                .patches
                .iter()
                .enumerate()
                .map(|(at, patch)| Place {
                    kind: PlaceKind::Mark,
                    label: (at + 1).to_string(),
                    outline_px: patch.outline_px.to_vec(),
                })
                .collect();
            let drawn = draw_places(&frame, &places, name)?;
            encode_jpeg(
                &drawn.into_frame(&self.draft.camera, Instant::now())?,
                QUALITY,
            )
        };
        let jpeg = jpeg().map_err(|error: VisionError| error.to_string());
        figure(
            name,
            jpeg.as_deref().map_err(String::as_str),
            &html! { (name) },
        )
    }

    fn patch_table(&self) -> Markup {
        html! {
            div.scroll {
                table {
                    tr { th { "patch" } th { "red, green, blue" } th { "before" } th { "after" } th { "left out" } }
                    @for (at, patch) in self.patches().enumerate() {
                        tr {
                            td { (PatchName(at)) }
                            td { (patch.levels.map(|level| format!("{level:.1}")).join(", ")) }
                            @for value in [patch.before, patch.after, patch.held_out] { td { (format!("{value:.2}")) } }
                        }
                    }
                }
            }
        }
    }

    fn matrix_table(&self) -> Markup {
        html! {
            table {
                tr { th { "linear sRGB" } th { "of red" } th { "of green" } th { "of blue" } }
                @for (name, row) in ["red", "green", "blue"].iter().zip(self.colour.srgb_from_camera) {
                    tr { td { (name) } @for value in row { td { (format!("{value:.4}")) } } }
                }
            }
        }
    }
}

fn tile(name: &str, difference: Difference) -> Markup {
    html! {
        div.tile {
            div.name { (name) }
            div.value { (format!("{:.2}", difference.mean)) }
            div.from { (format!("{:.2} at worst", difference.max)) }
        }
    }
}

fn css(rgb: [f64; 3]) -> String {
    let [red, green, blue] = rgb.map(|value| format!("{:.1}%", 100.0 * value));
    format!("rgb({red} {green} {blue})")
}
