//! The report of a calibrated lens as one page: figures, what to do better, drawings, every picture.

use crate::domain::PointPx;
use crate::page::{Markup, html, page};
use crate::vision::LensFit;

use super::drawing;
use super::lens::LensStudy;

/// The names of a lens's parameters, in order.
const PARAMETERS: [&str; 9] = ["fx", "fy", "cx", "cy", "k1", "k2", "p1", "p2", "k3"];

impl LensStudy {
    /// The page.
    pub fn page(&self, camera: &str) -> String {
        let title = format!("Lens of {camera}");
        let points: Vec<_> = self.sightings().collect();
        let body = html! {
            h1 { (title) }
            p.soft {
                (self.board.to_string()) "; " (self.size.width_px) " x " (self.size.height_px) " px; "
                (self.n_used()) " of " (self.views.len()) " pictures used"
            }
            @for refusal in &self.refusals {
                p.warning { b { "No calibration was written: " } (refusal) }
            }
            @for text in &self.guidance {
                p.warning { (text) }
            }
            @if let Some(fit) = &self.fit {
                (figures(fit))
            }
            h2 { "Where the board was seen" }
            (drawing::coverage(self.size, &points, &self.coverage))
            @if self.fit.is_some() {
                h2 { "How far the fit misses" }
                (drawing::arrows(self.size, &self.misses()))
                h2 { "View by view" }
                (drawing::residuals(&self.residuals()))
            }
            h2 { "Pictures" }
            (self.pictures())
        };
        page(&title, &body)
    }

    fn sightings(&self) -> impl Iterator<Item = PointPx> {
        let seen = self.views.iter().filter_map(|view| view.seen.as_ref().ok());
        seen.flat_map(|sighting| sighting.points.iter().copied())
    }

    fn misses(&self) -> Vec<(PointPx, PointPx)> {
        let fitted = self.fit.iter().flat_map(|fit| &fit.views);
        let projected = fitted.flat_map(|view| view.projected.iter().copied());
        self.sightings().zip(projected).collect()
    }

    fn residuals(&self) -> Vec<(String, f64)> {
        self.used()
            .map(|(view, fitted)| (view.name(), fitted.residual_rms_px))
            .collect()
    }

    fn pictures(&self) -> Markup {
        let mut used = self.used();
        html! {
            div.scroll {
                table {
                    tr { th { "picture" } th { "miss in px" } th { "tilt" } th { "edge in px" } th.left { "used" } }
                    @for view in &self.views {
                        tr {
                            td { (view.name()) }
                            @match &view.seen {
                                Ok(sighting) => {
                                    @let fitted = used.next().map(|(_, fitted)| fitted);
                                    td { @if let Some(fitted) = fitted { (format!("{:.3}", fitted.residual_rms_px)) } }
                                    td { @if let Some(fitted) = fitted { (format!("{:.0}°", fitted.tilt_deg)) } }
                                    td { @if let Some(rise_px) = sighting.rise_px { (format!("{rise_px:.1}")) } }
                                    td.left { "yes" }
                                }
                                Err(why) => {
                                    td {} td {} td {}
                                    td.left { span.worse { "no" } ": " (why) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn figures(fit: &LensFit) -> Markup {
    let values = fit.lens.parameters().into_iter().zip(fit.sd());
    html! {
        div.tiles {
            div.tile { div.name { "miss, root of mean square" } div.value { (format!("{:.3} px", fit.rms_px)) } }
            div.tile {
                div.name { "focal length" }
                div.value { (format!("{:.1} px", fit.lens.focal_px[0])) }
                div.from { (format!("± {:.1} (one standard deviation)", fit.sd()[0])) }
            }
        }
        div.scroll {
            table {
                tr { th { "parameter" } th { "value" } th { "standard deviation" } }
                @for (name, (value, sd)) in PARAMETERS.iter().zip(values) {
                    tr {
                        td { (name) }
                        @if sd == 0.0 {
                            td { "0" } td { "not worth fitting" }
                        } @else {
                            td { (format!("{value:.6}")) } td { (format!("{sd:.2e}")) }
                        }
                    }
                }
            }
        }
    }
}
