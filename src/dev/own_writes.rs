//! Files that the import itself writes (a module with the time in it): each start would lead to the next.
//!
//! They are told from what somebody saves by when it happens: at about the same time in each import.

use std::collections::HashSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::telemetry::console;

/// So often one file may end a start, with nothing else that changed and no application in between.
const MOST: usize = 3;
/// What one import may take longer than another, besides a quarter of it.
const SPREAD: Duration = Duration::from_millis(100);

/// What is known of them.
#[derive(Debug, Default)]
pub struct OwnWrites {
    found: HashSet<PathBuf>,
    began: Option<Instant>,
    last: Vec<PathBuf>,
    /// How long after its start each import was ended by that.
    after: Vec<Duration>,
}

impl OwnWrites {
    /// An import begins.
    pub fn begin(&mut self) {
        self.began = Some(Instant::now());
    }

    /// An application answers: what changes next does so for another reason.
    pub fn is_up(&mut self) {
        self.last.clear();
    }

    /// Whether all of `changed`, which changed during an import, are such files, and so do not end it.
    pub fn are_all(&mut self, changed: &[PathBuf]) -> bool {
        let after = self.began.map(|began| began.elapsed()).unwrap_or_default();
        self.are_all_after(changed, after)
    }

    fn are_all_after(&mut self, changed: &[PathBuf], after: Duration) -> bool {
        if changed.iter().all(|path| self.found.contains(path)) {
            return true;
        }
        if self.last != changed {
            self.after.clear();
            changed.clone_into(&mut self.last);
        }
        self.after.push(after);
        let (least, most) = (self.after.iter().min(), self.after.iter().max());
        let is_like_it = least.zip(most).is_some_and(|(least, most)| most.saturating_sub(*least) <= *most / 4 + SPREAD);
        if !is_like_it {
            self.after = vec![after];
        }
        if self.after.len() <= MOST {
            return false;
        }
        for path in changed {
            console::complain(&format!(
                "{} changes with each import: what happens to it during one starts nothing any more",
                path.display()
            ));
            self.found.insert(path.clone());
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_each_import_writes_is_found_out() {
        let (mut own, generated, other) = (OwnWrites::default(), [PathBuf::from("gen.py")], [PathBuf::from("app.py")]);
        let usual = Duration::from_millis(300);
        assert!((0..MOST).all(|_| !own.are_all_after(&generated, usual)));
        assert!(!own.are_all_after(&other, usual), "something else");
        assert!((0..MOST).all(|_| !own.are_all_after(&generated, usual)));
        own.is_up();
        assert!((0..MOST).all(|_| !own.are_all_after(&generated, usual)));
        assert!(own.are_all_after(&generated, usual + SPREAD));
        assert!(own.are_all_after(&generated, usual * 9), "from now on");
        assert!(!own.are_all_after(&[generated, other].concat(), usual), "with another");
    }

    #[test]
    fn what_somebody_saves_again_and_again_is_none() {
        let (mut own, saved) = (OwnWrites::default(), [PathBuf::from("app.py")]);
        let after = [900, 300, 2000, 800, 5000, 1200, 400].map(Duration::from_millis);
        assert!(after.into_iter().all(|after| !own.are_all_after(&saved, after)));
    }
}
