//! Which change of which file matters: the application's modules and templates, its settings, and what is named besides.
//!
//! `watch` asks it of every event. A file that is touched and says the same is no change; while there is no application to
//! lose, every touch of a Python file of the project is one.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::extra::Extra;
use super::ignored::{is_ignored_directory, is_ignored_file, is_likely_template};

/// A larger module outside of the project is data.
const LARGEST_HASHED: u64 = 1024 * 1024;

/// What a file was when it was looked at last; `None`: not there.
type State = Option<Content>;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Hash(blake3::Hash),
    /// Of libraries: there are many, and they are not touched without reason.
    Stamp(SystemTime, u64),
}

/// How it stands with the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It is being imported, and what it consists of is not known.
    Starting,
    /// It answers.
    Up,
    /// There is none.
    Down,
}

/// Everything that matters.
pub struct Interest {
    /// The working directory, in which the project lies.
    root: PathBuf,
    /// Files of modules, and of settings.
    files: BTreeSet<PathBuf>,
    /// The names that modules are imported by, without their packages.
    names: HashSet<OsString>,
    template_dirs: Vec<PathBuf>,
    extra: Vec<Extra>,
    states: HashMap<PathBuf, State>,
    /// What was in files that changed.
    origins: HashMap<PathBuf, State>,
    /// Modules of the project that changed under an application which may have imported them by now.
    doubtful: HashSet<PathBuf>,
    /// Where a module was looked for that is not there.
    search_dirs: HashSet<PathBuf>,
    /// The files that standard output and standard error are.
    outputs: Vec<(u64, u64)>,
}

impl Interest {
    /// In a project at `root` these `settings` files, and what the `extra` patterns match.
    #[must_use]
    pub fn new(root: &Path, settings: impl IntoIterator<Item = PathBuf>, extra: &[String]) -> Self {
        let mut interest = Self {
            root: root.to_owned(),
            files: BTreeSet::new(),
            names: HashSet::new(),
            template_dirs: Vec::new(),
            extra: extra.iter().filter_map(|text| Extra::new(root, text)).collect(),
            states: HashMap::new(),
            origins: HashMap::new(),
            doubtful: HashSet::new(),
            search_dirs: HashSet::new(),
            outputs: ["/proc/self/fd/1", "/proc/self/fd/2"].iter().filter_map(|it| identity(Path::new(it))).collect(),
        };
        for file in settings {
            interest.learn(&file);
            interest.files.insert(file);
        }
        interest
    }

    /// The application consists of these files as well, which it read after `since` and before `read`. One that may be
    /// another by now.
    pub fn add_files(&mut self, files: Vec<PathBuf>, since: SystemTime, read: SystemTime) -> Option<PathBuf> {
        let mut late = None;
        for file in files {
            let of_package = file.file_stem().is_some_and(|stem| stem == "__init__");
            let named = if of_package { file.parent().and_then(Path::file_name) } else { file.file_stem() };
            self.names.extend(named.map(ToOwned::to_owned));
            let mut is_late = false;
            if self.doubtful.remove(&file) {
                is_late = self.is_other(&file);
            } else if !self.states.contains_key(&file) {
                self.learn(&file);
                // What got new elsewhere meanwhile was written by the import: a compiled template, a generated client.
                is_late = is_younger(&file, if self.is_of_project(&file) { since } else { read });
            }
            if is_late {
                self.origins.entry(file.clone()).or_insert(None);
                late.get_or_insert_with(|| file.clone());
            }
            self.files.insert(file);
        }
        late
    }

    /// An application begins to read what there is now.
    pub fn begin(&mut self) {
        for path in std::mem::take(&mut self.doubtful) {
            self.learn(&path);
        }
    }

    /// What is still another than it was when this was asked last. A file that is written anew is empty for a moment.
    pub fn settled_as_other(&mut self) -> Vec<PathBuf> {
        let origins = std::mem::take(&mut self.origins);
        let mut others = Vec::new();
        for (path, before) in origins {
            self.learn(&path);
            if self.states.get(&path) != Some(&before) {
                others.push(path);
            }
        }
        others.sort_unstable();
        others
    }

    /// A module was not found in these directories. One that has got something since that time.
    pub fn set_search_dirs(&mut self, dirs: Vec<PathBuf>, since: SystemTime) -> Option<PathBuf> {
        // What happens in the project is known in detail, and much of it is the application's own doing.
        self.search_dirs =
            dirs.into_iter().filter(|dir| !dir.starts_with(&self.root) || self.is_below_ignored(dir)).collect();
        self.search_dirs.iter().find(|dir| is_younger(dir, since)).cloned()
    }

    /// Whether it is a module that changed under an application which may have imported it.
    #[must_use]
    pub fn is_doubtful(&self, path: &Path) -> bool {
        self.doubtful.contains(path)
    }

    /// Its templates are in these directories.
    pub fn set_template_dirs(&mut self, dirs: Vec<PathBuf>) {
        self.template_dirs = dirs;
    }

    /// What `path` is by now, should it matter.
    pub fn learn(&mut self, path: &Path) {
        let state = self.look(path);
        self.states.insert(path.to_owned(), state);
    }

    /// Whether `path` is something whose content counts.
    #[must_use]
    pub fn has(&self, path: &Path) -> bool {
        self.files.contains(path) || self.is_extra(path) || self.is_template(path) || self.is_translation(path)
    }

    /// Whether what happened at `path` matters; without an application that answers more does.
    pub fn is_changed(&mut self, path: &Path, stage: Stage) -> bool {
        if self.has(path) {
            return self.is_other(path) || stage == Stage::Down && path.exists();
        }
        if is_ignored_file(path) {
            return false;
        }
        if stage == Stage::Down && path.parent().is_some_and(|dir| self.search_dirs.contains(dir)) {
            return !path.ends_with("__pycache__");
        }
        if self.is_in_ignored(path) {
            return false;
        }
        let is_python = path.extension().is_some_and(|extension| extension == "py");
        if is_python && path.starts_with(&self.root) {
            // What is not imported yet counts when it may be what an import lacks, or would be found in place of another.
            let is_new = !matches!(self.states.get(path), Some(Some(_)));
            return match stage {
                Stage::Starting => self.is_other(path),
                Stage::Up if is_new && self.is_shadow(path) => self.is_other(path),
                Stage::Up => {
                    self.doubtful.insert(path.to_owned());
                    false
                }
                Stage::Down => {
                    self.learn(path);
                    true
                }
            };
        }
        // Any other file may be what a failed import has read; but not where our own words go (`nohup.out`).
        if stage == Stage::Down && path.starts_with(&self.root) && path.is_file() {
            return !identity(path).is_some_and(|file| self.outputs.contains(&file));
        }
        // A directory that was renamed or removed takes its files along.
        let below = (Bound::Excluded(path), Bound::Unbounded);
        let inside: Vec<PathBuf> =
            self.files.range::<Path, _>(below).take_while(|file| file.starts_with(path)).cloned().collect();
        inside.iter().any(|file| self.is_other(file))
    }

    /// The directories that hold something that counts, outside of the project.
    #[must_use]
    pub fn outer_dirs(&self) -> BTreeSet<PathBuf> {
        let dirs = self.files.iter().filter_map(|file| file.parent());
        let beside = self.extra.iter().filter_map(|extra| extra.fixed().parent());
        dirs.chain(beside).map(Path::to_owned).collect()
    }

    /// All trees whose files count, but for the project's own: those of templates and of patterns.
    #[must_use]
    pub fn trees(&self) -> Vec<PathBuf> {
        let wild = self.extra.iter().map(Extra::fixed).filter(|dir| dir.is_dir());
        self.template_dirs.iter().map(PathBuf::as_path).chain(wild).map(Path::to_owned).collect()
    }

    /// Whether it was looked at.
    #[must_use]
    pub fn knows(&self, path: &Path) -> bool {
        self.states.contains_key(path)
    }

    /// All files whose content is known.
    pub fn known(&self) -> impl Iterator<Item = &Path> {
        self.states.keys().map(PathBuf::as_path)
    }

    /// The project's directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path as people know it.
    #[must_use]
    pub fn shown<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }

    /// Whether the content is another than it was, which from now on it is.
    fn is_other(&mut self, path: &Path) -> bool {
        let now = self.look(path);
        match self.states.insert(path.to_owned(), now.clone()) {
            Some(before) if before == now => false,
            // Nobody has seen it before.
            None if now.is_none() => false,
            before => {
                self.origins.entry(path.to_owned()).or_insert(before.flatten());
                true
            }
        }
    }

    fn is_shadow(&self, path: &Path) -> bool {
        let of_package = path.file_stem().is_some_and(|stem| stem == "__init__");
        let named = if of_package { path.parent().and_then(Path::file_name) } else { path.file_stem() };
        named.is_some_and(|name| self.names.contains(name))
    }

    fn is_extra(&self, path: &Path) -> bool {
        self.extra.iter().any(|extra| extra.names(path))
    }

    fn is_template(&self, path: &Path) -> bool {
        if is_ignored_file(path) {
            return false;
        }
        let dir = self.template_dirs.iter().find(|dir| path.starts_with(dir));
        match dir {
            // Directories of templates in the project that no framework names.
            None => {
                let inner = path.strip_prefix(&self.root).ok().and_then(Path::parent);
                is_likely_template(path)
                    && inner.is_some_and(|dir| dir.iter().any(|name| name == "templates" || name == "jinja2"))
                    && !self.is_in_ignored(path)
            }
            // Where the project itself is such a directory, the rest of it does not count.
            Some(dir) if self.root.starts_with(dir) => is_likely_template(path) && !self.is_in_ignored(path),
            Some(dir) => path != dir && !path.is_dir() && path.extension().is_none_or(|extension| extension != "py"),
        }
    }

    /// Whether it is a catalog of gettext's, which is read once.
    fn is_translation(&self, path: &Path) -> bool {
        path.extension().is_some_and(|extension| extension == "mo")
            && path.parent().is_some_and(|dir| dir.ends_with("LC_MESSAGES"))
            && self.is_of_project(path)
    }

    /// Whether the path leads through a directory of the project that is not looked into.
    fn is_in_ignored(&self, path: &Path) -> bool {
        path.ancestors()
            .skip(1)
            .take_while(|dir| dir.starts_with(&self.root) && *dir != self.root)
            .any(is_ignored_directory)
    }

    fn is_of_project(&self, path: &Path) -> bool {
        path.starts_with(&self.root) && !self.is_in_ignored(path)
    }

    /// The same of a directory itself.
    fn is_below_ignored(&self, dir: &Path) -> bool {
        self.is_in_ignored(&dir.join("x"))
    }

    fn look(&self, path: &Path) -> State {
        let found = std::fs::metadata(path).ok().filter(std::fs::Metadata::is_file)?;
        if self.is_of_project(path) || is_somebodys_module(path, found.len()) {
            return std::fs::read(path).ok().map(|bytes| Content::Hash(blake3::hash(&bytes)));
        }
        Some(Content::Stamp(found.modified().unwrap_or(SystemTime::UNIX_EPOCH), found.len()))
    }
}

/// Whether it is a module that is no library's: one that is worked on elsewhere, or generated by each import.
fn is_somebodys_module(path: &Path, size: u64) -> bool {
    let of_library = |part: &OsStr| {
        part == "site-packages"
            || part == "dist-packages"
            || part.to_str().is_some_and(|part| part.starts_with("python3"))
    };
    path.extension().is_some_and(|extension| extension == "py")
        && size <= LARGEST_HASHED
        && !path.iter().any(of_library)
}

/// Device and inode.
fn identity(path: &Path) -> Option<(u64, u64)> {
    std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()))
}

fn is_younger(path: &Path, than: SystemTime) -> bool {
    std::fs::metadata(path).and_then(|found| found.modified()).is_ok_and(|time| time > than)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AGE: std::time::Duration = std::time::Duration::from_mins(1);

    struct Project {
        dir: tempfile::TempDir,
        interest: Interest,
    }

    impl Project {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            for (name, text) in [("app.py", "1"), ("pkg/__init__.py", ""), ("pkg/views.py", "1"), ("other.py", "1")] {
                put(&dir.path().join(name), text);
            }
            let mut interest = Interest::new(dir.path(), [dir.path().join(".env")], &["data/**/*.json".to_owned()]);
            let files = ["app.py", "pkg/__init__.py", "pkg/views.py"].map(|name| dir.path().join(name));
            interest.add_files(files.into(), SystemTime::now(), SystemTime::now());
            interest.add_files(vec!["/usr/lib/python3/json/__init__.py".into()], SystemTime::now(), SystemTime::now());
            interest.set_template_dirs(vec![dir.path().join("pages")]);
            Self { dir, interest }
        }

        fn put(&mut self, name: &str, text: &str) -> bool {
            put(&self.dir.path().join(name), text);
            self.is_changed(name, Stage::Up)
        }

        fn is_changed(&mut self, name: &str, stage: Stage) -> bool {
            let path = self.dir.path().join(name);
            self.interest.is_changed(&path, stage)
        }
    }

    fn put(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    #[test]
    fn what_the_application_consists_of_counts_when_it_says_something_else() {
        let mut project = Project::new();
        assert!(!project.put("app.py", "1"), "touched");
        assert!(project.put("app.py", "2"));
        assert!(!project.put("app.py", "2"), "told already");
        assert!(project.put(".env", "A=1"), "new");
        assert!(project.put("pages/a.txt", "x"), "a template");
        assert!(project.put("shop/templates/a.html", "x"), "a template by the name of its directory");
        assert!(project.put("data/a/b.json", "x"), "named");
        assert!(project.put("shop/locale/de/LC_MESSAGES/django.mo", "x"), "a translation");
        std::fs::remove_file(project.dir.path().join("pkg/views.py")).unwrap();
        assert!(project.is_changed("pkg/views.py", Stage::Up), "gone");
    }

    #[test]
    fn other_files_do_not() {
        let mut project = Project::new();
        for name in [
            "other.py",
            "db.sqlite3",
            "static/a.css",
            "static/a.html",
            "media/a.html",
            "app.py~",
            ".#app.py",
            "4913",
            "__pycache__/app.cpython-311.pyc",
            "pages/x.html.swp",
            "data/a.txt",
            ".git/index",
            "node_modules/json.py",
            "media/templates/a.html",
        ] {
            assert!(!project.put(name, "x"), "{name}");
        }
    }

    #[test]
    fn a_module_that_would_be_found_in_place_of_another_counts() {
        let mut project = Project::new();
        assert!(project.put("json.py", ""));
        assert!(project.put("views/__init__.py", ""));
    }

    #[test]
    fn a_directory_takes_its_files_along() {
        let mut project = Project::new();
        assert!(!project.is_changed("pkg", Stage::Up));
        std::fs::rename(project.dir.path().join("pkg"), project.dir.path().join("new")).unwrap();
        assert!(project.is_changed("pkg", Stage::Up));
    }

    #[test]
    fn without_an_application_any_touch_of_python_counts() {
        let mut project = Project::new();
        for name in ["app.py", "other.py", "new.py"] {
            put(&project.dir.path().join(name), "1");
            assert!(project.is_changed(name, Stage::Down), "{name}");
        }
        assert!(!project.is_changed("static/a.css", Stage::Down));
        assert!(!project.is_changed("node_modules/x.py", Stage::Down));
    }

    #[test]
    fn while_it_starts_any_change_of_python_counts() {
        let mut project = Project::new();
        let other = project.dir.path().join("other.py");
        project.interest.learn(&other);
        assert!(!project.is_changed("other.py", Stage::Starting), "touched");
        put(&other, "2");
        assert!(project.is_changed("other.py", Stage::Starting));
    }

    #[test]
    fn what_changed_before_it_was_imported_is_told_once_it_is() {
        let mut project = Project::new();
        let other = project.dir.path().join("other.py");
        project.interest.learn(&other);
        assert!(!project.put("other.py", "2"), "nobody has it");
        assert_eq!(
            project.interest.add_files(vec![other.clone()], SystemTime::now(), SystemTime::now()),
            Some(other.clone())
        );
        assert_eq!(project.interest.add_files(vec![other], SystemTime::now(), SystemTime::now()), None);
        assert!(project.put("other.py", "3"));
    }

    #[test]
    fn what_changed_before_it_was_known_is_told() {
        let mut project = Project::new();
        let file = project.dir.path().join("late.py");
        put(&file, "1");
        assert_eq!(
            project.interest.add_files(vec![file.clone()], SystemTime::UNIX_EPOCH, SystemTime::now()),
            Some(file)
        );
    }

    #[test]
    fn what_changed_elsewhere_since_it_was_imported_is_told() {
        let mut project = Project::new();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("library.py");
        put(&file, "1");
        let read = SystemTime::UNIX_EPOCH;
        assert_eq!(project.interest.add_files(vec![file.clone()], read, read), Some(file));
    }

    #[test]
    fn a_file_that_is_empty_while_it_is_written_is_no_change() {
        let mut project = Project::new();
        assert!(project.put("app.py", ""));
        put(&project.dir.path().join("app.py"), "1");
        assert!(project.interest.settled_as_other().is_empty());
        assert!(project.put("app.py", "2"));
        assert_eq!(project.interest.settled_as_other().len(), 1);
        assert!(project.interest.settled_as_other().is_empty(), "once");
    }

    #[test]
    fn what_each_import_generates_elsewhere_is_told_when_it_says_something_else() {
        let mut project = Project::new();
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("generated.py");
        put(&file, "1");
        assert_eq!(
            project.interest.add_files(vec![file.clone()], SystemTime::UNIX_EPOCH, SystemTime::now()),
            None,
            "new each time"
        );
        std::fs::remove_file(&file).unwrap();
        put(&file, "1");
        assert!(!project.interest.is_changed(&file, Stage::Starting), "written anew");
        put(&file, "2");
        assert!(project.interest.is_changed(&file, Stage::Starting));
    }

    #[test]
    fn without_an_application_any_file_of_the_project_counts_and_what_is_installed() {
        let mut project = Project::new();
        put(&project.dir.path().join("config.json"), "{}");
        assert!(!project.is_changed("config.json", Stage::Up));
        assert!(project.is_changed("config.json", Stage::Down));
        assert!(!project.is_changed("config.json~", Stage::Down));
        let packages = project.dir.path().join(".venv/lib/python3/site-packages");
        std::fs::create_dir_all(packages.join("flask")).unwrap();
        assert!(!project.is_changed(".venv/lib/python3/site-packages/flask", Stage::Down));
        let dirs = vec![packages.clone(), project.dir.path().to_owned()];
        assert_eq!(project.interest.set_search_dirs(dirs.clone(), SystemTime::now() + AGE), None);
        assert!(project.is_changed(".venv/lib/python3/site-packages/flask", Stage::Down));
        assert!(!project.is_changed(".venv/lib/python3/site-packages/flask", Stage::Up));
        assert_eq!(project.interest.set_search_dirs(dirs, SystemTime::UNIX_EPOCH), Some(packages));
    }

    #[test]
    fn where_the_project_is_a_directory_of_templates_only_templates_count() {
        let mut project = Project::new();
        project.interest.set_template_dirs(vec![project.dir.path().to_owned()]);
        assert!(project.put("index.html", "x"));
        assert!(!project.put("data.csv", "x"));
    }
}
