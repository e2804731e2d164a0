//! What colours the patches of a chart have: those of the maker, or of a table.

use std::path::Path;

use crate::calibration::linear_from_srgb;

use super::super::error::CalibrateError;
use super::super::table::read_table;
use super::super::views::name_of;
use super::cie::{Lab, lab_from_linear};
use crate::vision::N_PATCHES;

/// A file larger than this is no table of 24 colours.
const TABLE_BYTES_MAX: u64 = 64 * 1024;

const HEADER_LAB: &str = "patch,L,a,b";
const HEADER_SRGB: &str = "patch,red,green,blue";

/// CIELAB (D50, 2°) of the 24 patches, row by row from dark skin to black, as the maker measured charts made since
/// November 2014: X-Rite, New color specifications for `ColorChecker` SG and Classic charts, 2016.
const SINCE_2014: [Lab; N_PATCHES] = [
    [37.54, 14.37, 14.92],
    [64.66, 19.27, 17.50],
    [49.32, -3.82, -22.54],
    [43.46, -12.74, 22.72],
    [54.94, 9.61, -24.79],
    [70.48, -32.26, -0.37],
    [62.73, 35.83, 56.50],
    [39.43, 10.75, -45.17],
    [50.57, 48.64, 16.67],
    [30.10, 22.54, -20.87],
    [71.77, -24.13, 58.19],
    [71.51, 18.24, 67.37],
    [28.37, 15.42, -49.80],
    [54.38, -39.72, 32.27],
    [42.43, 51.05, 28.62],
    [81.80, 2.67, 80.41],
    [50.63, 51.28, -14.12],
    [49.57, -29.71, -28.32],
    [95.19, -1.03, 2.93],
    [81.29, -0.57, 0.44],
    [66.89, -0.75, -0.06],
    [50.76, -0.13, 0.14],
    [35.63, -0.46, -0.48],
    [20.64, 0.07, -0.46],
];

/// What a table states colours in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Space {
    Lab,
    Srgb,
}

/// The colours of a chart.
#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    /// Where they are from.
    pub name: String,
    /// Each patch's, row by row.
    pub(super) lab: [Lab; N_PATCHES],
}

impl Default for Reference {
    fn default() -> Self {
        Self {
            name: "X-Rite 2016, charts since November 2014".to_owned(),
            lab: SINCE_2014,
        }
    }
}

impl Reference {
    /// Reads a table of colours.
    ///
    /// # Errors
    /// [`CalibrateError::Table`] if it cannot be read, [`CalibrateError::Colours`] with its first mistake.
    pub fn read(path: &Path) -> Result<Self, CalibrateError> {
        Self::parse(path, &read_table(path, TABLE_BYTES_MAX)?)
    }

    /// Reads colours from comma-separated text; `path` is for names and messages.
    ///
    /// # Errors
    /// [`CalibrateError::Colours`] with the first mistake.
    pub fn parse(path: &Path, text: &str) -> Result<Self, CalibrateError> {
        let fault = |index: usize, what: String| CalibrateError::Colours {
            path: path.to_owned(),
            line: index + 1,
            what,
        };
        let mut lines = text.trim_start_matches('\u{feff}').lines().enumerate();
        let first = lines.next().map_or("", |(_, line)| line);
        let header: String = first.chars().filter(|c| !c.is_whitespace()).collect();
        let space = match &*header {
            HEADER_LAB => Space::Lab,
            HEADER_SRGB => Space::Srgb,
            _ => return Err(fault(0, format!("`{}` is no such header", first.trim()))),
        };
        let mut found: [Option<Lab>; N_PATCHES] = [None; N_PATCHES];
        for (index, line) in lines.filter(|(_, line)| !line.trim().is_empty()) {
            let (patch, lab) = colour(line, space).map_err(|what| fault(index, what))?;
            let place = patch.checked_sub(1).and_then(|at| found.get_mut(at));
            match place {
                None => return Err(fault(index, format!("there is no patch {patch}"))),
                Some(Some(_)) => return Err(fault(index, format!("patch {patch} stands twice"))),
                Some(place) => *place = Some(lab),
            }
        }
        if let Some(missing) = found.iter().position(Option::is_none) {
            let last = text.lines().count().saturating_sub(1);
            return Err(fault(last, format!("patch {} is missing", missing + 1)));
        }
        Ok(Self {
            name: name_of(path),
            lab: found.map(Option::unwrap_or_default),
        })
    }
}

/// A patch's number and its colour.
fn colour(line: &str, space: Space) -> Result<(usize, Lab), String> {
    let refuse = || {
        format!(
            "`{}` are not a patch's number and three numbers",
            line.trim()
        )
    };
    let (patch, values) = line.split_once(',').ok_or_else(refuse)?;
    let patch: usize = patch.trim().parse().ok().ok_or_else(refuse)?;
    let values: Option<Vec<f64>> = values
        .split(',')
        .map(|value| value.trim().parse().ok())
        .collect();
    let Some(&[first, second, third]) = values.as_deref() else {
        return Err(refuse());
    };
    let values = [first, second, third];
    let within = |value: f64, min: f64, max: f64| (min..=max).contains(&value);
    if space == Space::Srgb {
        if !values.iter().all(|value| within(*value, 0.0, 255.0)) {
            return Err(format!(
                "`{}` has sRGB values outside 0 to 255",
                line.trim()
            ));
        }
        let rgb = values.map(|value| linear_from_srgb(value / 255.0));
        return Ok((patch, lab_from_linear(rgb)));
    }
    let fits = within(first, 0.0, 100.0)
        && [second, third]
            .iter()
            .all(|value| within(*value, -150.0, 150.0));
    if fits {
        Ok((patch, values))
    } else {
        Err(format!(
            "`{}` lies outside CIELAB: L from 0 to 100, a and b from -150 to 150",
            line.trim()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(header: &str, line: impl Fn(usize) -> String) -> String {
        let lines: Vec<String> = (1..=N_PATCHES).map(line).collect();
        format!("{header}\n{}\n", lines.join("\n"))
    }

    fn read(text: &str) -> Result<Reference, String> {
        Reference::parse(Path::new("c.csv"), text).map_err(|error| error.to_string())
    }

    #[test]
    fn lab_and_srgb_are_read_in_any_order() {
        let lab = table("patch, L, a, b", |at| {
            format!("{}, {at}, -1e1, 20", 25 - at)
        });
        let found = read(&lab).unwrap();
        assert_eq!(
            (found.lab[0], found.lab[23]),
            ([24.0, -10.0, 20.0], [1.0, -10.0, 20.0])
        );
        assert_eq!(found.name, "c.csv");
        let srgb = table("patch,red,green,blue", |at| format!("{at},119,119,119\r"));
        let [lightness, a, b] = read(&srgb).unwrap().lab[7];
        // The grey of level 119 has L* = 50.03.
        assert!((lightness - 50.034).abs() < 1e-3 && a.abs() < 0.01 && b.abs() < 0.01);
    }

    #[test]
    fn what_is_no_table_of_colours_is_refused_with_its_line() {
        insta::assert_snapshot!(read("1,2,3,4\n").unwrap_err(), @"`c.csv`, line 1: `1,2,3,4` is no such header; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24");
        let good = table("patch,L,a,b", |at| format!("{at},50,0,0"));
        let wrong = |from: &str, to: &str| read(&good.replace(from, to)).unwrap_err();
        insta::assert_snapshot!(wrong("\n3,50,0,0", "\n3,50,0"), @"`c.csv`, line 4: `3,50,0` are not a patch's number and three numbers; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24");
        insta::assert_snapshot!(wrong("\n3,50", "\n3,nan"), @"`c.csv`, line 4: `3,nan,0,0` lies outside CIELAB: L from 0 to 100, a and b from -150 to 150; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24");
        insta::assert_snapshot!(wrong("\n3,", "\n25,"), @"`c.csv`, line 4: there is no patch 25; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24");
        insta::assert_snapshot!(wrong("\n3,", "\n0,"), @"`c.csv`, line 4: there is no patch 0; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24");
        insta::assert_snapshot!(wrong("\n3,", "\n4,"), @"`c.csv`, line 5: patch 4 stands twice; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24");
        insta::assert_snapshot!(wrong("\n24,50,0,0", ""), @"`c.csv`, line 24: patch 24 is missing; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24");
        insta::assert_snapshot!(wrong("\n3,50,0,0", "\nred,50,0,0"), @"`c.csv`, line 4: `red,50,0,0` are not a patch's number and three numbers; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24");
        let srgb = table("patch,red,green,blue", |at| {
            format!("{at},{},0,0", 250 + at)
        });
        insta::assert_snapshot!(read(&srgb).unwrap_err(), @"`c.csv`, line 7: `6,256,0,0` has sRGB values outside 0 to 255; write a first line `patch,L,a,b` (CIELAB for D50) or `patch,red,green,blue` (sRGB, 0 to 255), and a line for each of the patches 1 to 24");
    }
}
