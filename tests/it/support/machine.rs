//! What a test does to the machine around a host: small file systems, and system calls that fail or take long.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A file system in memory, of so many MiB, that lives as long as this.
pub struct SmallDisk {
    mount: PathBuf,
}

impl SmallDisk {
    /// `None`, with a word about it, where nothing may be mounted.
    pub fn of_mib(mib: u32, name: &str) -> Option<SmallDisk> {
        let mount = std::env::temp_dir().join(format!("retold-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&mount).expect("made");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &format!("size={mib}m"), "tmpfs"]).arg(&mount).output();
        if mounted.is_ok_and(|output| output.status.success()) {
            return Some(SmallDisk { mount });
        }
        eprintln!("skipped: a small file system can't be mounted here (that needs root)");
        let _ = std::fs::remove_dir(&mount);
        None
    }

    pub fn path(&self) -> &Path {
        &self.mount
    }

    /// Another program's file, which takes this much or all that is left.
    pub fn fill(&self, mib: usize) -> PathBuf {
        let file = self.mount.join("ballast");
        let _ = std::fs::write(&file, vec![7; mib << 20]);
        file
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.mount).status();
        let _ = std::fs::remove_dir(&self.mount);
    }
}

/// System calls of a process go wrong as long as this lives.
pub struct Injected(Child);

impl Injected {
    /// `what` as strace writes it: `fdatasync:error=EIO:when=3+`. `None`, with a word about it, where strace can't do it.
    pub fn into(process: u32, what: &str) -> Option<Injected> {
        let call = what.split(':').next().unwrap_or(what);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &format!("inject={what}"), "-p", &process.to_string()]);
        let Ok(mut strace) = strace.stdin(Stdio::null()).stderr(Stdio::piped()).spawn() else {
            eprintln!("skipped: strace is not installed");
            return None;
        };
        let mut said = BufReader::new(strace.stderr.take().expect("piped"));
        let mut line = String::new();
        while said.read_line(&mut line).is_ok_and(|read| read > 0) {
            if line.contains("attached") {
                // It goes on telling of threads that come.
                std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
                return Some(Injected(strace));
            }
        }
        eprintln!("skipped: strace can't look at another process here: {line}");
        let _ = strace.wait();
        None
    }
}

impl Drop for Injected {
    fn drop(&mut self) {
        // Asked to end, it lets go of the process first; killed, it might leave it standing.
        let _ = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}
