//! The report of a plane as one page: figures, what lengths are uncertain by, and the plane as the camera sees it.

use crate::calibration::{COVERAGE_FACTOR, Projection};
use crate::domain::PointPx;
use crate::page::{Markup, html, page};

use super::coverage::Coverage;
use super::drawing;
use super::plane::PlaneStudy;

/// Lengths whose uncertainty is told.
const LENGTHS_MM: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

impl PlaneStudy {
    /// The page.
    pub fn page(&self) -> String {
        let (size, camera) = (self.draft.image_size, &self.draft.camera);
        let name = self.draft.plane.as_ref().map_or("", |plane| &plane.name);
        let title = format!("Plane of {camera}: {name}");
        let projection = Projection::new(Some(self.draft.lens), self.fit.mm_from_px);
        let found: Vec<PointPx> = self.points.iter().map(|point| point.px).collect();
        let should = |mm| projection.px_from_mm(mm);
        let misses: Vec<_> = self
            .points
            .iter()
            .map(|point| (point.px, should(point.mm)))
            .collect();
        let known: Vec<_> = self.points.iter().map(|point| point.mm).collect();
        let cells = Coverage::of(size, found.iter());
        let body = html! {
            h1 { (title) }
            p.soft {
                (self.points.len()) " points; " (size.width_px) " x " (size.height_px) " px; made "
                (self.draft.made_at_utc) ", valid until " (self.draft.valid_until_utc)
            }
            div.tiles {
                div.tile { div.name { "miss, root of mean square" } div.value { (format!("{:.4} mm", self.fit.residual_rms_mm)) }
                    div.from { (format!("{:.3} px", self.residual_rms_px)) } }
            }
            (self.uncertainty())
            h2 { "The plane in the picture" }
            (drawing::plane(size, &known, should))
            h2 { "Where points were seen" }
            (drawing::coverage(size, &found, &cells))
            h2 { "How far the fit misses" }
            (drawing::arrows(size, &misses))
        };
        page(&title, &body)
    }

    fn uncertainty(&self) -> Markup {
        let Some(parts) = &self.parts else {
            return html! {
                p.warning { "No uncertainty is stated: the file does not say how well its lens is known." }
            };
        };
        let stated = parts.expanded();
        html! {
            table {
                tr { th { "length" } th { (format!("known to (k = {COVERAGE_FACTOR})")) } }
                @for length_mm in LENGTHS_MM {
                    tr { td { (length_mm) " mm" } td { (format!("± {:.3} mm", stated.of(length_mm))) } }
                }
            }
            p.soft.small { "Of the calibration alone: a finding's own uncertainty also has the size of the model's cells in it." }
        }
    }
}
