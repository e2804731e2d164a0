//! What several marks say together of where a part lies.

use crate::domain::{Placement, PointMm};

/// A mark as it was met: where it belongs, where it is, and how alike.
pub(super) type Met = (PointMm, PointMm, f64);

/// The motion on which most marks agree, and how many do: each pair proposes one, the others vote.
pub(super) fn agreement(met: &[Met], tolerance_mm: f64) -> Option<(Placement, usize)> {
    let fit = |among: &[Met]| {
        let weighted = |(home, now, score): &Met| (*home, *now, clearness(*score));
        let pairs: Vec<_> = among.iter().map(weighted).collect();
        let score =
            among.iter().map(|(_, _, score)| score).sum::<f64>() / among.len().max(1) as f64;
        Placement::fit(&pairs, score)
    };
    if met.len() == 1 {
        return fit(met).map(|placement| (placement, 1));
    }
    let pairs = met
        .iter()
        .enumerate()
        .flat_map(|(n, one)| met.iter().skip(n + 1).map(move |other| [*one, *other]));
    let voted = pairs.filter_map(|pair| {
        let proposed = fit(&pair)?;
        let agrees = |(home, now, _): &&Met| {
            let expected = proposed.now_from_home(*home);
            (expected.x - now.x).hypot(expected.y - now.y) <= tolerance_mm
        };
        let agreeing: Vec<Met> = met.iter().filter(agrees).copied().collect();
        let placement = fit(&agreeing)?;
        (2 <= agreeing.len()).then_some((placement, agreeing.len()))
    });
    voted.max_by(|(a, n_a), (b, n_b)| n_a.cmp(n_b).then(a.score.total_cmp(&b.score)))
}

/// The power of a mark's signal over that of the noise, as its correlation tells: how much its place
/// counts. Rounding to grey levels leaves some noise in the clearest.
fn clearness(score: f64) -> f64 {
    let explained = score.max(0.0).powi(2);
    explained / (1.001 - explained)
}
