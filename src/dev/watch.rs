//! Watches files, on a thread of its own: tells of changes that matter, once they have settled.
//!
//! Directories are watched one by one, as a recursive watch would take those of tools and packages along. What the kernel
//! does not tell of (shared folders of virtual machines, network mounts, no watches left) is found by a look at the files
//! now and then.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use notify::{ErrorKind, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::mpsc as tokio_mpsc;
use tokio::sync::mpsc::error::TrySendError;

use super::bytecode::Bytecode;
use super::ignored::{is_ignored_directory, is_ignored_file};
use super::interest::{Interest, Stage};
use super::own_writes::OwnWrites;
use crate::telemetry::console;

/// An editor's save is several changes; a check-out is many, which do not put the start off for ever.
const SETTLE: Duration = Duration::from_millis(50);
const AT_MOST: Duration = Duration::from_secs(1);
/// Between two looks at the files, where the kernel tells of changes and where it does not.
const LOOK: Duration = Duration::from_secs(2);
const LOOK_OFTEN: Duration = Duration::from_millis(500);
/// A project with more directories than that is none: somebody's home, or `/`.
const MOST_DIRECTORIES: usize = 10_000;

/// What the thread is told.
pub enum Told {
    Happened(PathBuf),
    /// The kernel has lost count.
    Lost,
    /// A process that was started at the one time has imported these files by the other.
    Files(Vec<PathBuf>, SystemTime, SystemTime),
    /// One that was started at this time has not found a module in these directories.
    SearchPath(Vec<PathBuf>, SystemTime),
    Templates(Vec<PathBuf>),
    /// How it stands with the application.
    Stage(Stage),
}

/// A stamp that is cheap to get.
type Stamp = Option<(SystemTime, u64)>;

struct Watch {
    interest: Interest,
    bytecode: Bytecode,
    own_writes: OwnWrites,
    watcher: Option<RecommendedWatcher>,
    directories: HashSet<PathBuf>,
    stamps: HashMap<PathBuf, Stamp>,
    stage: Stage,
    is_tired: bool,
    /// What has more directories than are watched.
    large: HashSet<PathBuf>,
}

/// Starts to watch. Paths come as people know them, the first of each change.
///
/// # Errors
/// No thread is to be had.
pub fn start(interest: Interest, bytecode: Bytecode) -> io::Result<(Sender<Told>, tokio_mpsc::Receiver<PathBuf>)> {
    let (tell, told) = mpsc::channel();
    let (change, changes) = tokio_mpsc::channel(1);
    let events = tell.clone();
    let handle = move |event: notify::Result<notify::Event>| match event {
        Ok(event) if event.need_rescan() => drop(events.send(Told::Lost)),
        Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
        Ok(event) => event.paths.into_iter().for_each(|path| drop(events.send(Told::Happened(path)))),
        Err(_) => {}
    };
    let watcher = notify::recommended_watcher(handle).ok();
    if watcher.is_none() {
        tell_tired();
    }
    let mut watch = Watch {
        is_tired: watcher.is_none(),
        large: HashSet::new(),
        interest,
        bytecode,
        own_writes: OwnWrites::default(),
        watcher,
        directories: HashSet::new(),
        stamps: HashMap::new(),
        stage: Stage::Starting,
    };
    // The first process is started when what it may read is watched.
    watch.add_project();
    thread::Builder::new().name("monopod-watch".into()).spawn(move || watch.run(&told, &change))?;
    Ok((tell, changes))
}

impl Watch {
    fn run(mut self, told: &Receiver<Told>, change: &tokio_mpsc::Sender<PathBuf>) {
        let mut looked = Instant::now();
        loop {
            let every = if self.is_tired { LOOK_OFTEN } else { LOOK };
            let first = match told.recv_timeout(every.saturating_sub(looked.elapsed())) {
                Ok(news) => self.hear(news),
                Err(RecvTimeoutError::Timeout) => {
                    looked = Instant::now();
                    self.look()
                }
                Err(RecvTimeoutError::Disconnected) => return,
            };
            let Some(first) = first else { continue };
            let stage = self.stage;
            self.settle(told);
            let others = self.interest.settled_as_other();
            let is_none = match stage {
                Stage::Starting => others.is_empty() || self.own_writes.are_all(&others),
                Stage::Up => others.is_empty(),
                Stage::Down => false,
            };
            if is_none {
                continue;
            }
            let first = if others.is_empty() || others.contains(&first) { &first } else { &others[0] };
            // One that has not been looked at yet says the same.
            if let Err(TrySendError::Closed(_)) = change.try_send(self.interest.shown(first).to_owned()) {
                return;
            }
        }
    }

    /// Waits until nothing that matters has happened for a while.
    fn settle(&mut self, told: &Receiver<Told>) {
        let began = Instant::now();
        let mut quiet_since = began;
        while quiet_since.elapsed() < SETTLE && began.elapsed() < AT_MOST {
            match told.recv_timeout(SETTLE.saturating_sub(quiet_since.elapsed())) {
                Ok(news) => {
                    if self.hear(news).is_some() {
                        quiet_since = Instant::now();
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// The path of the change, if it is one.
    fn hear(&mut self, news: Told) -> Option<PathBuf> {
        match news {
            Told::Happened(path) => self.happened(&path),
            Told::Lost => {
                // All that is watched is named anew, and then compared with what was known.
                self.directories.clear();
                let found = self.watched_files();
                self.look_at(found)
            }
            Told::Files(files, since, read) => {
                // Watched before they are looked at, or what happens between the two is lost.
                for dir in files.iter().filter_map(|file| file.parent()) {
                    self.add(dir, false);
                }
                let late = self.interest.add_files(files, since, read)?;
                self.bytecode.forget(&late);
                Some(late)
            }
            Told::SearchPath(dirs, since) => {
                for dir in &dirs {
                    self.add(dir, false);
                }
                self.interest.set_search_dirs(dirs, since)
            }
            Told::Templates(dirs) => {
                self.interest.set_template_dirs(dirs);
                self.add_outer();
                None
            }
            Told::Stage(stage) => {
                // What happened unseen until now was a change; from now on a touch is one.
                let changed = if stage == Stage::Down && self.is_tired { self.look() } else { None };
                self.stage = stage;
                match stage {
                    Stage::Starting => {
                        self.interest.begin();
                        self.own_writes.begin();
                    }
                    Stage::Up => self.own_writes.is_up(),
                    Stage::Down => self.refresh_stamps(),
                }
                changed
            }
        }
    }

    fn happened(&mut self, path: &Path) -> Option<PathBuf> {
        if path.is_dir() && !is_ignored_directory(path) && self.is_watched_tree(path) {
            // One that is new, or came back under this name: its files have happened too.
            let found = self.walk(path, true);
            let changed = found.into_iter().find(|file| self.is_changed(file));
            if changed.is_some() {
                return changed;
            }
        }
        self.is_changed(path).then(|| path.to_owned())
    }

    fn is_changed(&mut self, path: &Path) -> bool {
        // The next look is not to find the same once more.
        self.stamps.insert(path.to_owned(), stamp_of(path));
        let is_changed = self.interest.is_changed(path, self.stage);
        if is_changed || self.interest.is_doubtful(path) {
            self.bytecode.forget(path);
        }
        is_changed
    }

    fn is_watched_tree(&self, path: &Path) -> bool {
        path.starts_with(self.interest.root()) || self.interest.trees().iter().any(|tree| path.starts_with(tree))
    }

    /// Looks at all files that count.
    fn look(&mut self) -> Option<PathBuf> {
        let files = self.files();
        self.look_at(files)
    }

    fn look_at(&mut self, files: Vec<PathBuf>) -> Option<PathBuf> {
        let mut changed = None;
        for file in files {
            // The first look knows nothing of before, but for the content.
            if self.stamps.get(&file).is_none_or(|before| *before != stamp_of(&file)) && self.is_changed(&file) {
                changed.get_or_insert(file);
            }
        }
        changed
    }

    /// The files that count by now.
    fn files(&mut self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.interest.known().map(Path::to_owned).collect();
        if self.is_tired || self.stage == Stage::Down {
            let root = self.interest.root().to_owned();
            let is_down = self.stage == Stage::Down;
            let counts = |file: &PathBuf| is_down || file.extension().is_some_and(|extension| extension == "py");
            files.extend(self.walk(&root, false).into_iter().filter(counts));
        }
        files
    }

    fn refresh_stamps(&mut self) {
        for file in self.files() {
            let stamp = stamp_of(&file);
            self.stamps.insert(file, stamp);
        }
    }

    /// All files of the project and the trees, which are watched from now on, and all that are known.
    fn watched_files(&mut self) -> Vec<PathBuf> {
        let mut files: Vec<PathBuf> = self.interest.known().map(Path::to_owned).collect();
        for tree in std::iter::once(self.interest.root().to_owned()).chain(self.interest.trees()) {
            files.extend(self.walk(&tree, false));
        }
        for dir in self.interest.outer_dirs() {
            self.add(&dir, false);
        }
        files
    }

    fn add_project(&mut self) {
        let root = self.interest.root().to_owned();
        for file in self.walk(&root, false) {
            if self.interest.has(&file) || file.extension().is_some_and(|extension| extension == "py") {
                self.interest.learn(&file);
            }
        }
        self.add_outer();
    }

    /// What counts and lies elsewhere.
    fn add_outer(&mut self) {
        for dir in self.interest.outer_dirs() {
            self.add(&dir, false);
        }
        for tree in self.interest.trees() {
            for file in self.walk(&tree, false) {
                if self.interest.has(&file) && !self.interest.knows(&file) {
                    self.interest.learn(&file);
                }
            }
        }
    }

    /// Watches a directory and those below, also where they are known (`is_new`), and gives the files that are there.
    fn walk(&mut self, top: &Path, is_new: bool) -> Vec<PathBuf> {
        let (mut waiting, mut files, mut count) = (vec![top.to_owned()], Vec::new(), 0);
        while let Some(dir) = waiting.pop() {
            count += 1;
            if count > MOST_DIRECTORIES {
                self.tell_large(top);
                break;
            }
            self.add(&dir, is_new);
            let Ok(entries) = std::fs::read_dir(&dir) else { continue };
            for entry in entries.filter_map(Result::ok) {
                let path = entry.path();
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && !is_ignored_directory(&path) => waiting.push(path),
                    Ok(kind) if !kind.is_dir() && !is_ignored_file(&path) => files.push(path),
                    _ => {}
                }
            }
        }
        files
    }

    fn tell_large(&mut self, top: &Path) {
        if !self.large.insert(top.to_owned()) {
            return;
        }
        let advice = if top == self.interest.root() {
            "start in the project's own directory, or name it by --chdir"
        } else {
            "name a narrower pattern, or directory of templates"
        };
        console::complain(&format!(
            "{} has more than {MOST_DIRECTORIES} directories, so that not all of it is watched: {advice}",
            top.display()
        ));
    }

    fn add(&mut self, dir: &Path, is_new: bool) {
        let Some(watcher) = &mut self.watcher else { return };
        // A name that is known may be that of another directory by now.
        if !self.directories.insert(dir.to_owned()) && !is_new {
            return;
        }
        match watcher.watch(dir, RecursiveMode::NonRecursive) {
            Err(error) if is_out_of_watches(&error) => {
                self.watcher = None;
                if !std::mem::replace(&mut self.is_tired, true) {
                    tell_tired();
                }
            }
            _ => {}
        }
    }
}

fn stamp_of(path: &Path) -> Stamp {
    std::fs::metadata(path).ok().and_then(|found| Some((found.modified().ok()?, found.len())))
}

fn tell_tired() {
    console::complain(
        "the kernel has no more watches for files (sysctl fs.inotify.max_user_watches), so they are looked at twice a \
         second",
    );
}

fn is_out_of_watches(error: &notify::Error) -> bool {
    match &error.kind {
        ErrorKind::MaxFilesWatch => true,
        ErrorKind::Io(error) => matches!(error.raw_os_error(), Some(libc::ENOSPC | libc::EMFILE | libc::ENFILE)),
        _ => false,
    }
}
