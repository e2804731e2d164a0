//! Which label of the model is which class of the set.

use crate::domain::Class;

/// Why classes cannot be matched as asked.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MatchError {
    /// A name that the set does not have.
    #[error("`--map {theirs}={ours}`: the set has no class `{theirs}`; it has {there}")]
    Theirs {
        /// The set's class.
        theirs: String,
        /// The model's label.
        ours: String,
        /// What there is.
        there: String,
    },
    /// A name that the model does not have.
    #[error("`--map {theirs}={ours}`: the model has no label `{ours}`; it has {there}")]
    Ours {
        /// The set's class.
        theirs: String,
        /// The model's label.
        ours: String,
        /// What there is.
        there: String,
    },
}

/// The labels of a model beside the classes of a set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matching {
    /// The model's labels.
    pub labels: Vec<String>,
    /// For each label whether it means "no defect".
    pub is_good: Vec<bool>,
    /// The set's classes.
    pub classes: Vec<String>,
    /// For each class whether it means "no defect".
    is_good_class: Vec<bool>,
    /// For each class its label.
    label_of: Vec<Option<usize>>,
}

impl Matching {
    /// Matches by name, whatever its case, after the pairs `theirs`, `ours` of `map`. `is_good` says
    /// which names mean "no defect".
    ///
    /// # Errors
    /// [`MatchError`] if `map` names what is not there.
    pub fn new(
        labels: &[Class],
        classes: &[String],
        map: &[(String, String)],
        is_good: &dyn Fn(&str) -> bool,
    ) -> Result<Self, MatchError> {
        let labels: Vec<String> = labels.iter().map(|label| label.name.to_string()).collect();
        for (theirs, ours) in map {
            let (theirs, ours) = (theirs.clone(), ours.clone());
            if !has(classes, &theirs) {
                let there = list(classes);
                return Err(MatchError::Theirs {
                    theirs,
                    ours,
                    there,
                });
            }
            if !has(&labels, &ours) {
                let there = list(&labels);
                return Err(MatchError::Ours {
                    theirs,
                    ours,
                    there,
                });
            }
        }
        let label_of = classes.iter().map(|class| {
            let mapped = map
                .iter()
                .find(|(theirs, _)| theirs.eq_ignore_ascii_case(class));
            let wanted = mapped.map_or(class, |(_, ours)| ours);
            labels
                .iter()
                .position(|label| label.eq_ignore_ascii_case(wanted))
        });
        Ok(Self {
            label_of: label_of.collect(),
            is_good: labels.iter().map(|label| is_good(label)).collect(),
            is_good_class: classes.iter().map(|class| is_good(class)).collect(),
            classes: classes.to_vec(),
            labels,
        })
    }

    /// The label of a class.
    pub fn label(&self, class: usize) -> Option<usize> {
        self.label_of.get(class).copied().flatten()
    }

    /// The first class of a label.
    pub fn class(&self, label: usize) -> Option<usize> {
        self.label_of.iter().position(|one| *one == Some(label))
    }

    /// The index of a label.
    pub fn label_named(&self, name: &str) -> Option<usize> {
        self.labels.iter().position(|label| label == name)
    }

    /// Whether a label means "no defect".
    pub fn is_good_label(&self, name: &str) -> bool {
        let found = self
            .label_named(name)
            .and_then(|label| self.is_good.get(label));
        found.copied().unwrap_or(false)
    }

    /// Whether any class of the set is known to the model.
    pub fn any(&self) -> bool {
        self.label_of.iter().any(Option::is_some)
    }

    /// Defect classes of the set that the model does not know.
    pub fn unknown_classes(&self) -> Vec<&str> {
        let known = self.label_of.iter().zip(&self.is_good_class);
        self.classes
            .iter()
            .zip(known)
            .filter(|(_, (label, is_good))| label.is_none() && !**is_good)
            .map(|(class, _)| class.as_str())
            .collect()
    }

    /// Defect labels of the model that the set does not have.
    pub fn unused_labels(&self) -> Vec<&str> {
        let labels = self.labels.iter().zip(&self.is_good).enumerate();
        labels
            .filter(|(index, (_, is_good))| !**is_good && self.class(*index).is_none())
            .map(|(_, (label, _))| label.as_str())
            .collect()
    }
}

fn has(names: &[String], name: &str) -> bool {
    names.iter().any(|one| one.eq_ignore_ascii_case(name))
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    format!("`{}`", names.join("`, `"))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn matching(classes: &[&str], map: &[(&str, &str)]) -> Result<Matching, MatchError> {
        let labels: Vec<Class> = ["good", "scratch", "dent"]
            .iter()
            .map(|name| Class {
                name: Arc::from(*name),
                code: Arc::from(""),
            })
            .collect();
        let classes: Vec<String> = classes.iter().map(|name| (*name).to_owned()).collect();
        let map: Vec<(String, String)> = map
            .iter()
            .map(|(theirs, ours)| ((*theirs).to_owned(), (*ours).to_owned()))
            .collect();
        Matching::new(&labels, &classes, &map, &|name| name == "good")
    }

    #[test]
    fn names_match_whatever_their_case_and_what_is_left_is_said() {
        let found = matching(&["Scratch", "hole"], &[]).unwrap();
        assert_eq!((found.label(0), found.label(1)), (Some(1), None));
        assert_eq!(found.class(1), Some(0));
        assert_eq!(found.unknown_classes(), ["hole"]);
        assert_eq!(found.unused_labels(), ["dent"]);
        let found = matching(&["Scratch", "hole"], &[("HOLE", "dent")]).unwrap();
        assert_eq!(found.label(1), Some(2));
        assert!(found.unknown_classes().is_empty() && found.any());
    }

    #[test]
    fn a_map_to_nowhere_is_refused() {
        let fault = |map| matching(&["hole"], map).unwrap_err().to_string();
        assert_eq!(
            fault(&[("holes", "dent")]),
            "`--map holes=dent`: the set has no class `holes`; it has `hole`"
        );
        assert_eq!(
            fault(&[("hole", "dint")]),
            "`--map hole=dint`: the model has no label `dint`; it has `good`, `scratch`, `dent`"
        );
    }
}
