//! Runs the built binary in a folder of its own, with nothing of this process's environment.
//!
//! A run that does not end is killed and fails its test; nothing here waits on time otherwise.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

/// How long a run may take before it hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// A folder to run in.
pub struct Place {
    dir: TempDir,
    vars: BTreeMap<String, String>,
    stdin: Vec<u8>,
    masks: Vec<(String, &'static str)>,
}

/// What a run wrote, and how it ended.
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let masks = vec![(dir.path().display().to_string(), "[dir]")];
        Self { dir, vars: BTreeMap::new(), stdin: Vec::new(), masks }
    }

    /// A folder with this config, on any free port unless it says otherwise.
    pub fn with_config(text: &str) -> Self {
        let mut place = Self::new();
        place.write("config.toml", text);
        place.var("CAMINO_SERVER__LISTEN", "127.0.0.1:0");
        place
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }

    pub fn var(&mut self, name: &str, value: &str) {
        self.vars.insert(name.to_owned(), value.to_owned());
    }

    pub fn stdin(&mut self, bytes: impl Into<Vec<u8>>) {
        self.stdin = bytes.into();
    }

    /// Shows `text` as `name` in what runs wrote.
    pub fn mask(&mut self, text: &str, name: &'static str) {
        self.masks.push((text.to_owned(), name));
    }

    /// Every file below `name` with its content.
    pub fn files(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut found = BTreeMap::new();
        collect(&self.path(name), &mut found);
        found
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_camino"));
        command.args(args).current_dir(self.dir.path()).env_clear();
        // The width of help, and where the demo puts its store.
        command.env("COLUMNS", "100").env("TMPDIR", self.dir.path()).envs(&self.vars);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs to the end.
    pub fn run(&self, args: &[&str]) -> Ran {
        let mut child = self.command(args).spawn().unwrap();
        // A binary that does not read its stdin may be gone already.
        let _ = child.stdin.take().unwrap().write_all(&self.stdin);
        let stdout = read_all(child.stdout.take().unwrap());
        let stderr = read_all(child.stderr.take().unwrap());
        let (Ok(stdout), Ok(stderr)) = (stdout.recv_timeout(PATIENCE), stderr.recv_timeout(PATIENCE)) else {
            child.kill().unwrap();
            panic!("camino {args:?} did not end");
        };
        let code = child.wait().unwrap().code().unwrap_or(-1);
        Ran { code, stdout: self.masked(stdout), stderr: self.masked(stderr) }
    }

    /// Starts a run that does not end by itself.
    pub fn start(&self, args: &[&str]) -> Running {
        let mut child = self.begin(args);
        let lines = lines_of(child.stdout.take().unwrap());
        let said = lines_of(child.stderr.take().unwrap());
        Running { child, lines, said }
    }

    /// Starts it, and leaves the end to the caller.
    pub fn begin(&self, args: &[&str]) -> Child {
        self.command(args).spawn().unwrap()
    }

    /// Starts `serve`, and returns when it is ready.
    pub fn serve(&self) -> Serving {
        let mut child = self.command(&["serve"]).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let mut serving = Serving { child, stderr, url: String::new() };
        let mut line = String::new();
        while serving.stderr.read_line(&mut line).unwrap() > 0 {
            if let Some((_, rest)) = line.split_once(" listen=") {
                serving.url = format!("http://{}", rest.split_whitespace().next().unwrap());
                return serving;
            }
        }
        panic!("it did not start: {line}");
    }

    fn masked(&self, text: String) -> String {
        self.masks.iter().fold(text, |text, (found, name)| text.replace(found, name))
    }
}

/// A run under way; killed when this goes.
pub struct Running {
    child: Child,
    lines: mpsc::Receiver<String>,
    said: mpsc::Receiver<String>,
}

impl Running {
    /// The next line on stdout.
    pub fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap()
    }

    /// The next line on stderr with `text` in it.
    pub fn until_said(&self, text: &str) -> String {
        loop {
            let line = self.said.recv_timeout(PATIENCE).unwrap();
            if line.contains(text) {
                return line;
            }
        }
    }

    /// Kills it, as a power cut would, and waits until it is gone.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A broker that runs until this goes.
pub struct Serving {
    child: Child,
    stderr: BufReader<ChildStderr>,
    pub url: String,
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.stderr.read_to_end(&mut Vec::new());
    }
}

impl Ran {
    /// All of it, for a snapshot.
    pub fn told(&self) -> String {
        let mut told = format!("exit {}", self.code);
        for (name, text) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !text.is_empty() {
                write!(told, "\n-- {name}\n{}", text.trim_end()).unwrap();
            }
        }
        told
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (read, all) = mpsc::channel();
    thread::Builder::new()
        .spawn(move || {
            let mut bytes = Vec::new();
            from.read_to_end(&mut bytes).unwrap();
            let _ = read.send(String::from_utf8(bytes).unwrap());
        })
        .unwrap();
    all
}

fn lines_of(from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (read, lines) = mpsc::channel();
    let send =
        move || BufReader::new(from).lines().map_while(Result::ok).try_for_each(|line| read.send(line));
    thread::Builder::new().spawn(move || drop(send())).unwrap();
    lines
}

fn collect(path: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), found);
        }
    } else if path.exists() {
        found.insert(path.to_owned(), fs::read(path).unwrap());
    }
}
