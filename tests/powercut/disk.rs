//! What a disk may hold after a power cut.
//!
//! A file has what it had when its last sync began; a name in a directory is as it was when the directory's last
//! sync began. What came after may be there or not: of each page of 4 KiB any version since, of each file
//! any size since, of the changes of names any. That is more than any one file system takes the liberty to do.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::ops::Range;
use std::path::Path;

use crate::dice::Dice;
use crate::trace::{Step, Trace};

const PAGE_BYTES: usize = 4096;

/// What of the unsynced survives.
pub enum Survivors<'a> {
    /// Nothing.
    None,
    /// About half.
    Some(&'a mut Dice),
    /// Everything: the disk after a kill.
    All,
}

type Id = usize;
type Names = BTreeMap<String, Id>;

#[derive(Clone)]
enum Change {
    Write { at: usize, data: Range<usize> },
    Resize { bytes: usize },
}

#[derive(Clone)]
enum Naming {
    Put { name: String, id: Id },
    Remove { name: String },
    Rename { from: String, to: String, id: Id },
}

/// Something with a durable state and changes since.
struct Synced<S, C> {
    state: S,
    pending: Vec<C>,
    /// Changes that went from `pending` into `state` so far.
    applied: usize,
}

enum Node {
    File(Synced<Vec<u8>, Change>),
    Dir { now: Names, names: Synced<Names, Naming> },
}

pub struct Disk<'t> {
    trace: &'t Trace,
    nodes: Vec<Node>,
    open: HashMap<u32, Id>,
    /// Syncs under way: of what, and after how many changes in all they began.
    syncs: HashMap<u64, (Id, usize)>,
}

const ROOT: Id = 0;

impl<S: Default, C> Default for Synced<S, C> {
    fn default() -> Self {
        Self { state: S::default(), pending: Vec::new(), applied: 0 }
    }
}

impl<S, C> Synced<S, C> {
    fn count(&self) -> usize {
        self.applied + self.pending.len()
    }

    /// Makes the first `count` of all changes durable.
    fn advance(&mut self, count: usize, mut apply: impl FnMut(&mut S, C)) {
        let ready = count.saturating_sub(self.applied);
        for change in self.pending.drain(..ready) {
            apply(&mut self.state, change);
        }
        self.applied += ready;
    }
}

fn directory() -> Node {
    Node::Dir { now: Names::new(), names: Synced::default() }
}

fn rename_in(names: &mut Names, naming: Naming) {
    match naming {
        Naming::Put { name, id } => {
            names.insert(name, id);
        }
        Naming::Remove { name } => {
            names.remove(&name);
        }
        Naming::Rename { from, to, id } => {
            names.remove(&from);
            names.insert(to, id);
        }
    }
}

fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

impl<'t> Disk<'t> {
    pub fn new(trace: &'t Trace) -> Self {
        Self { trace, nodes: vec![directory()], open: HashMap::new(), syncs: HashMap::new() }
    }

    pub fn apply(&mut self, step: &Step) {
        match step {
            Step::Start => {
                self.open.clear();
                self.syncs.clear();
            }
            Step::Open { fd, created, truncated, path } => self.opened(*fd, *created, *truncated, path),
            Step::Close { fd } => {
                self.open.remove(fd);
            }
            Step::Write { fd, at, data } => {
                let at = usize::try_from(*at).unwrap();
                self.file(*fd).pending.push(Change::Write { at, data: data.clone() });
            }
            Step::Resize { fd, bytes } => {
                let bytes = usize::try_from(*bytes).unwrap();
                self.file(*fd).pending.push(Change::Resize { bytes });
            }
            Step::SyncBegin { fd, id } => {
                let node = self.open[fd];
                let count = match &self.nodes[node] {
                    Node::File(file) => file.count(),
                    Node::Dir { names, .. } => names.count(),
                };
                self.syncs.insert(*id, (node, count));
            }
            Step::SyncEnd { id } => self.synced(*id),
            Step::Rename { from, to } => {
                let id = self.find(from).expect("what is renamed is there");
                assert_eq!(split(from).0, split(to).0, "within one directory");
                let [from_name, to_name] = [from, to].map(|path| split(path).1.to_owned());
                self.name(split(from).0, Naming::Rename { from: from_name, to: to_name, id });
            }
            Step::Unlink { path } | Step::RemoveDir { path } => {
                self.name(split(path).0, Naming::Remove { name: split(path).1.to_owned() });
            }
            Step::MakeDir { path } => self.create(path, directory()),
            Step::Sent { .. } | Step::Received { .. } | Step::Fault => {}
        }
    }

    fn opened(&mut self, fd: u32, created: bool, truncated: bool, path: &str) {
        if created {
            self.create(path, Node::File(Synced::default()));
        }
        let id = self.find(path).unwrap_or_else(|| panic!("{path} is opened and nobody made it"));
        self.open.insert(fd, id);
        if truncated && !created {
            self.file(fd).pending.push(Change::Resize { bytes: 0 });
        }
    }

    fn synced(&mut self, sync: u64) {
        let (id, count) = self.syncs.remove(&sync).expect("a sync that began");
        let bytes = &self.trace.bytes;
        match &mut self.nodes[id] {
            Node::File(file) => file.advance(count, |content, change| write(content, &change, bytes)),
            Node::Dir { names, .. } => names.advance(count, rename_in),
        }
    }

    fn create(&mut self, path: &str, node: Node) {
        let id = self.nodes.len();
        self.nodes.push(node);
        let (dir, name) = split(path);
        self.name(dir, Naming::Put { name: name.to_owned(), id });
    }

    fn name(&mut self, dir: &str, naming: Naming) {
        let dir = self.find(dir).expect("the directory is there");
        let Node::Dir { now, names } = &mut self.nodes[dir] else { panic!("no directory") };
        rename_in(now, naming.clone());
        names.pending.push(naming);
    }

    fn find(&self, path: &str) -> Option<Id> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(ROOT, |id, name| match &self.nodes[id] {
            Node::Dir { now, .. } => now.get(name).copied(),
            Node::File(_) => None,
        })
    }

    fn file(&mut self, fd: u32) -> &mut Synced<Vec<u8>, Change> {
        match &mut self.nodes[self.open[&fd]] {
            Node::File(file) => file,
            Node::Dir { .. } => panic!("a directory is written"),
        }
    }

    /// Writes what survives below `to`.
    pub fn write(&self, to: &Path, survivors: &mut Survivors<'_>) {
        self.write_dir(ROOT, to, survivors);
    }

    fn write_dir(&self, id: Id, to: &Path, survivors: &mut Survivors<'_>) {
        fs::create_dir_all(to).unwrap();
        let Node::Dir { names, .. } = &self.nodes[id] else { panic!("no directory") };
        let mut found = names.state.clone();
        for naming in &names.pending {
            if survivors.take() {
                rename_in(&mut found, naming.clone());
            }
        }
        for (name, id) in found {
            let path = to.join(name);
            match &self.nodes[id] {
                Node::Dir { .. } => self.write_dir(id, &path, survivors),
                Node::File(file) => fs::write(path, self.content(file, survivors)).unwrap(),
            }
        }
    }

    fn content(&self, file: &Synced<Vec<u8>, Change>, survivors: &mut Survivors<'_>) -> Vec<u8> {
        let bytes = &self.trace.bytes;
        let mut last = file.state.clone();
        match survivors {
            Survivors::None => last,
            Survivors::All => {
                for change in &file.pending {
                    write(&mut last, change, bytes);
                }
                last
            }
            Survivors::Some(dice) => some_of(file, bytes, dice),
        }
    }
}

impl Survivors<'_> {
    fn take(&mut self) -> bool {
        match self {
            Self::None => false,
            Self::Some(dice) => dice.chance(50),
            Self::All => true,
        }
    }
}

fn write(content: &mut Vec<u8>, change: &Change, bytes: &[u8]) {
    match change {
        Change::Write { at, data } => {
            let end = at + data.len();
            if content.len() < end {
                content.resize(end, 0);
            }
            content[*at..end].copy_from_slice(&bytes[data.clone()]);
        }
        Change::Resize { bytes } => content.resize(*bytes, 0),
    }
}

/// Of how many of `count` changes the effect is on the disk: of none in half of the cases.
fn reached(count: usize, dice: &mut Dice) -> usize {
    if count == 0 || dice.chance(50) { 0 } else { 1 + usize::try_from(dice.below(count as u64)).unwrap() }
}

/// One of the sizes, and for each page one of the versions, that the file had since its last sync.
fn some_of(file: &Synced<Vec<u8>, Change>, bytes: &[u8], dice: &mut Dice) -> Vec<u8> {
    // By page, the versions that it is the begin of: how many changes, and what it held after them.
    let mut now = file.state.clone();
    let mut sizes = vec![now.len()];
    let mut versions: BTreeMap<usize, Vec<Vec<u8>>> = BTreeMap::new();
    for change in &file.pending {
        let touched = match change {
            Change::Write { at, data } => *at..at + data.len(),
            Change::Resize { bytes } => *bytes.min(&now.len())..now.len().max(*bytes),
        };
        write(&mut now, change, bytes);
        sizes.push(now.len());
        for page in touched.start / PAGE_BYTES..touched.end.div_ceil(PAGE_BYTES) {
            versions.entry(page).or_default().push(page_of(&now, page).to_vec());
        }
    }
    let mut content = file.state.clone();
    for (page, versions) in versions {
        let chosen = reached(versions.len(), dice);
        let version = match chosen.checked_sub(1) {
            None => page_of(&file.state, page).to_vec(),
            Some(version) => versions[version].clone(),
        };
        let from = page * PAGE_BYTES;
        if content.len() < from + PAGE_BYTES {
            content.resize(from + PAGE_BYTES, 0);
        }
        content[from..from + PAGE_BYTES].fill(0);
        content[from..from + version.len()].copy_from_slice(&version);
    }
    content.resize(sizes[reached(sizes.len() - 1, dice)], 0);
    content
}

/// What of `content` is on the page; it may be short, or empty.
fn page_of(content: &[u8], page: usize) -> &[u8] {
    let from = (page * PAGE_BYTES).min(content.len());
    &content[from..(from + PAGE_BYTES).min(content.len())]
}
