//! How far teaching has come, for whoever shows it.

/// Told of every stage and every step.
pub struct Progress<'a> {
    /// A stage begins: its name, and how many steps it has.
    pub begin: &'a dyn Fn(&'static str, usize),
    /// A step is done; called from any thread.
    pub step: &'a (dyn Fn() + Sync),
}

impl Progress<'_> {
    pub(super) fn begin(&self, stage: &'static str, n_steps: usize) {
        (self.begin)(stage, n_steps);
    }
}
