//! What the runs do to the machine: copies, mounts, system calls that fail.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A folder that goes with this.
pub struct Folder(PathBuf);

impl Folder {
    /// In memory where the machine has such a place: what is tested isn't the disk's speed.
    pub fn new(name: &str) -> Result<Folder, String> {
        let base = Some(PathBuf::from("/dev/shm")).filter(|path| path.is_dir()).unwrap_or_else(std::env::temp_dir);
        let path = base.join(format!("retold-soak-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Folder(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs a program; an `Err` tells what it said.
pub fn run(program: &str, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new(program).args(arguments).output().map_err(|error| format!("{program}: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap_or_default()
}

/// An ext4 file system in a file: what is in the file is what has reached the device.
pub struct Image {
    file: PathBuf,
    mount: PathBuf,
}

impl Image {
    const BYTES: &str = "160M";

    pub fn make(file: PathBuf, mount: PathBuf) -> Result<Image, String> {
        run("truncate", &["-s", Image::BYTES, text(&file)])?;
        run("mkfs.ext4", &["-q", "-F", text(&file)])?;
        Image { file, mount }.mounted()
    }

    /// What is left of it when the power goes now.
    pub fn cut(&self, file: PathBuf, mount: PathBuf) -> Result<Image, String> {
        run("cp", &["--sparse=always", text(&self.file), text(&file)])?;
        Ok(Image { file, mount })
    }

    /// Mounting replays the journal.
    pub fn mounted(self) -> Result<Image, String> {
        std::fs::create_dir_all(&self.mount).map_err(|error| error.to_string())?;
        run("mount", &["-o", "loop,commit=1", text(&self.file), text(&self.mount)])?;
        Ok(self)
    }

    pub fn path(&self) -> &Path {
        &self.mount
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = run("umount", &[text(&self.mount)]).or_else(|_| run("umount", &["-l", text(&self.mount)]));
        let _ = std::fs::remove_file(&self.file);
    }
}

/// Waits until no thread of a process runs: then none is in the middle of a system call.
pub fn wait_until_stopped(process: u32) -> Result<(), String> {
    let mut states = Vec::new();
    for _ in 0..5_000 {
        let threads = std::fs::read_dir(format!("/proc/{process}/task")).map_err(|error| error.to_string())?;
        let stats = threads.filter_map(Result::ok).filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
        states = stats.filter_map(|stat| stat.rsplit(") ").next()?.chars().next()).collect();
        if states.iter().all(|state| *state == 'T') {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    Err(format!("the process doesn't stand still: {states:?}"))
}

/// System calls of a process fail as long as this lives.
pub struct Injected(Child);

impl Injected {
    /// `what` as strace writes it: `fdatasync:error=EIO:when=3+`.
    pub fn into(process: u32, what: &str) -> Result<Injected, String> {
        let call = what.split(':').next().unwrap_or(what);
        let mut strace = Command::new("strace")
            .args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={what}"), "-p", &process.to_string()])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("strace: {error}"))?;
        let mut said = BufReader::new(strace.stderr.take().ok_or("no pipe")?);
        let mut line = String::new();
        while said.read_line(&mut line).is_ok_and(|read| read > 0) {
            if line.contains("attached") {
                // It goes on telling of threads that come.
                std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
                return Ok(Injected(strace));
            }
        }
        let _ = strace.wait();
        Err(format!("strace: {line}"))
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        // Asked to end, it lets go of the process first.
        crate::host::signal(self.0.id(), "INT");
        let _ = self.0.wait();
    }
}
