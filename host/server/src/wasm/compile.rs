//! Compiles uploads in a process of its own, which can be limited and killed.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use retold_engine::model::limits;

use super::ModuleError;
use super::compile_child::{Built, REFUSED};

/// How often the compiling process is looked after.
const LOOK_MS: u64 = 2;
/// What is read of its complaints.
const COMPLAINT_BYTES_MAX: u64 = 64 << 10;

/// What compiling one module may cost.
#[derive(Clone, Debug)]
pub struct CompileLimits {
    /// Address space of the compiling process.
    pub memory_bytes: u64,
    pub cpu_seconds: u64,
    /// Wall time, in milliseconds.
    pub wall_ms: u64,
}

impl Default for CompileLimits {
    fn default() -> CompileLimits {
        CompileLimits { memory_bytes: 2 << 30, cpu_seconds: 20, wall_ms: 120_000 }
    }
}

/// Starts compiling processes, one at a time.
pub struct Compiler {
    program: PathBuf,
    /// Arguments that come before the limits.
    arguments: Vec<String>,
    scratch: PathBuf,
    limits: CompileLimits,
    one_at_a_time: Mutex<()>,
}

impl Compiler {
    /// Compiles with this same binary. `scratch` is a folder of the host's own for files that have no
    /// name while they are used.
    pub fn new(scratch: PathBuf, limits: CompileLimits) -> io::Result<Compiler> {
        // The binary may have been replaced by a newer one since the start; the link can't be.
        let running = PathBuf::from("/proc/self/exe");
        let program = if running.exists() { running } else { std::env::current_exe()? };
        Ok(Compiler::with_program(program, scratch, limits))
    }

    /// Compiles with another `retold`. Its version must be this one's.
    pub fn with_program(program: PathBuf, scratch: PathBuf, limits: CompileLimits) -> Compiler {
        Compiler { program, arguments: vec!["__compile".into()], scratch, limits, one_at_a_time: Mutex::new(()) }
    }

    /// Makes `upload`, a core module or a component, ready to be loaded. Waits for other uploads.
    pub(super) fn build(&self, upload: &[u8]) -> Result<Built, ModuleError> {
        if upload.len() > limits::MODULE_BYTES_MAX {
            return Err(ModuleError::TooLarge { found: upload.len(), max: limits::MODULE_BYTES_MAX });
        }
        let _turn = self.one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || -> io::Result<(Ended, Vec<u8>, Vec<u8>)> {
            let mut input = self.nameless_file()?;
            input.write_all(upload)?;
            input.seek(SeekFrom::Start(0))?;
            let (output, complaint) = (self.nameless_file()?, self.nameless_file()?);
            let child = self.start(input, output.try_clone()?, complaint.try_clone()?)?;
            let ended = wait(child, self.limits.wall_ms)?;
            Ok((ended, read_back(output, u64::MAX)?, read_back(complaint, COMPLAINT_BYTES_MAX)?))
        };
        let (ended, output, complaint) = run().map_err(|error| ModuleError::host(format!("the compiler can't be run: {error}")))?;
        match ended {
            Ended::TooLate => Err(too_expensive(format!("it took more than {} ms (limit `compile-ms`)", self.limits.wall_ms))),
            Ended::By(status) if status.success() => {
                Built::read(&output).ok_or_else(|| ModuleError::host("the compiler wrote something else than a module"))
            }
            Ended::By(status) => Err(self.why(status, &complaint)),
        }
    }

    fn start(&self, input: File, output: File, complaint: File) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .arg(self.limits.memory_bytes.to_string())
            .arg(self.limits.cpu_seconds.to_string())
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::from(input))
            .stdout(Stdio::from(output))
            .stderr(Stdio::from(complaint))
            .spawn()
    }

    /// A file that is gone when it is closed, even if the host dies first.
    fn nameless_file(&self) -> io::Result<File> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!("compile-{}-{}.tmp", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        fs::create_dir_all(&self.scratch)?;
        let path = self.scratch.join(name);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        fs::remove_file(&path)?;
        Ok(file)
    }

    fn why(&self, status: ExitStatus, complaint: &[u8]) -> ModuleError {
        if status.code() == Some(i32::from(REFUSED))
            && let Ok(error) = serde_json::from_slice(complaint)
        {
            return error;
        }
        let said = String::from_utf8_lossy(complaint);
        if said.contains("memory allocation of") {
            return too_expensive(format!(
                "it needs more than {} bytes of memory (limit `compile-memory-bytes`)",
                self.limits.memory_bytes
            ));
        }
        let out_of_time = [rustix::process::Signal::XCPU, rustix::process::Signal::KILL];
        match status.signal() {
            Some(signal) if out_of_time.iter().any(|known| known.as_raw() == signal) => {
                too_expensive(format!("it used more than {} s of processor time (limit `compile-cpu-seconds`)", self.limits.cpu_seconds))
            }
            Some(signal) => too_expensive(format!("it made the compiler crash (signal {signal})")),
            None => too_expensive(format!("the compiler gave up: {}", said.lines().next().unwrap_or("it said nothing"))),
        }
    }
}

fn too_expensive(what: String) -> ModuleError {
    ModuleError::TooExpensive { what }
}

enum Ended {
    By(ExitStatus),
    TooLate,
}

/// Waits for `child` and kills it when its time is over.
fn wait(mut child: Child, wall_ms: u64) -> io::Result<Ended> {
    // Counting pauses instead of reading a clock: a pause is never shorter than it says.
    for _ in 0..wall_ms.div_ceil(LOOK_MS) {
        if let Some(status) = child.try_wait()? {
            return Ok(Ended::By(status));
        }
        thread::sleep(Duration::from_millis(LOOK_MS));
    }
    child.kill()?;
    child.wait()?;
    Ok(Ended::TooLate)
}

fn read_back(mut file: File, bytes_max: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A compiler that is a shell script; the real one is tried in `tests/it`, where its binary is.
    #[track_caller]
    fn script_says(script: &str, wall_ms: u64) -> ModuleError {
        let limits = CompileLimits { wall_ms, ..CompileLimits::default() };
        let mut compiler = Compiler::with_program("/bin/sh".into(), std::env::temp_dir(), limits);
        compiler.arguments = vec!["-c".into(), script.into()];
        compiler.build(b"\0asm").expect_err("no module")
    }

    #[test]
    fn a_compiler_that_hangs_is_killed() {
        let error = script_says("sleep 60", 50);
        assert!(error.to_string().contains("compile-ms"), "{error}");
    }

    #[test]
    fn a_compiler_that_crashes_takes_only_the_upload_with_it() {
        assert!(script_says("kill -SEGV $$", 5_000).to_string().contains("crash (signal 11)"));
        assert!(script_says("kill -XCPU $$", 5_000).to_string().contains("compile-cpu-seconds"));
        assert!(
            script_says("echo memory allocation of 9 bytes failed >&2; kill -ABRT $$", 5_000).to_string().contains("compile-memory-bytes")
        );
    }

    #[test]
    fn what_the_compiling_process_refuses_arrives_as_it_was_said() {
        assert_eq!(script_says(r#"printf '"Empty"' >&2; exit 2"#, 5_000), ModuleError::Empty);
        assert!(matches!(script_says("exit 0", 5_000), ModuleError::Host(_)), "output without a module");
    }
}
