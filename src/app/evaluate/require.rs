//! `--require`: figures that must hold, for whoever lets a machine decide.

use std::str::FromStr;

use anyhow::bail;
use taktgate::evaluate::Figures;

use crate::app::Outcome;
use crate::app::print::note;

/// A figure and what it must reach.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Requirement {
    figure: String,
    at_least: bool,
    value: f64,
}

impl FromStr for Requirement {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text
            .split_once(">=")
            .map(|parts| (parts, true))
            .or_else(|| text.split_once("<=").map(|parts| (parts, false)));
        let Some(((figure, value), at_least)) = parts else {
            return Err("write a figure, `>=` or `<=`, and a number: `escape<=0.01`".to_owned());
        };
        let number = value
            .trim()
            .parse()
            .ok()
            .filter(|number: &f64| number.is_finite());
        Ok(Self {
            figure: figure.trim().to_owned(),
            at_least,
            value: number.ok_or_else(|| format!("`{value}` is no number"))?,
        })
    }
}

/// Says which requirements do not hold.
pub(super) fn check(requirements: &[Requirement], figures: &Figures) -> anyhow::Result<Outcome> {
    let by_name = figures.by_name();
    let mut outcome = Outcome::Good;
    for one in requirements {
        let found = by_name.iter().find(|(name, _)| *name == one.figure);
        let Some((name, found)) = found else {
            let names: Vec<&str> = by_name.iter().map(|(name, _)| name.as_str()).collect();
            bail!(
                "`--require {}`: that was not measured on this set; there are {}",
                one.figure,
                names.join(", ")
            );
        };
        let (holds, sign) = if one.at_least {
            (one.value <= *found, ">=")
        } else {
            (*found <= one.value, "<=")
        };
        if !holds {
            note(format!(
                "{name} is {found:.4}, required is {sign} {}",
                one.value
            ));
            outcome = Outcome::Bad;
        }
    }
    Ok(outcome)
}
