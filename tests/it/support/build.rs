//! The binary and the guests, built once a test run.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use retold_tests::cargo;

/// The folder that holds the whole project.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the repository")
}

/// The binary, in the profile and target folder of this test program.
pub fn retold() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let here = std::env::current_exe().expect("a test program has a path");
        let profile = here.parent().and_then(Path::parent).expect("target/PROFILE/deps/it").to_owned();
        // With this test program, so that both take what they stand on with the same features, and it is there.
        let mut cargo = cargo();
        cargo.args(["build", "--quiet", "--locked", "--workspace", "--bin", "retold", "--test", "it"]).current_dir(repository());
        cargo.arg("--target-dir").arg(profile.parent().expect("target/PROFILE"));
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        assert!(cargo.status().expect("cargo runs").success(), "the binary doesn't build");
        profile.join("retold")
    })
}

/// The bytes of an example guest, built with `retold build` as a user would. `wasi-probe` is built for
/// WASI by cargo.
pub fn guest(name: &str) -> Vec<u8> {
    let path = guest_file(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{} can't be read: {error}", path.display()))
}

/// Where that guest lies.
pub fn guest_file(name: &str) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = repository().join("guest-examples").join(name);
    if name == "wasi-probe" { build_for_wasi(&folder) } else { build(&folder) }
}

fn build(folder: &Path) -> PathBuf {
    let output = Command::new(retold()).arg("build").arg(folder).output().expect("retold runs");
    assert!(output.status.success(), "retold build {}: {}", folder.display(), String::from_utf8_lossy(&output.stderr));
    let printed = String::from_utf8(output.stdout).expect("paths are text");
    PathBuf::from(printed.lines().last().expect("retold build prints the file").trim())
}

fn build_for_wasi(folder: &Path) -> PathBuf {
    let added = Command::new("rustup").args(["target", "add", "wasm32-wasip2"]).current_dir(repository()).output().expect("rustup runs");
    assert!(added.status.success(), "{}", String::from_utf8_lossy(&added.stderr));
    let built = cargo().args(["build", "--quiet", "--release", "--locked", "--target", "wasm32-wasip2"]).current_dir(folder).output();
    let built = built.expect("cargo runs");
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    repository().join("guest-examples/target/wasm32-wasip2/release/wasi_probe.wasm")
}

/// A module with other words in it, as if it were built from other source. Words keep their length, so
/// that nothing else moves. A word that the compiler has made into numbers stays as it is: what this
/// changes is names in the manifest, and text.
pub fn reworded(module: &[u8], words: &[(&str, &str)]) -> Vec<u8> {
    let mut module = module.to_vec();
    for (old, new) in words {
        assert_eq!(old.len(), new.len(), "{old} and {new}");
        let places: Vec<usize> = (0..=module.len() - old.len()).filter(|at| module[*at..].starts_with(old.as_bytes())).collect();
        assert!(!places.is_empty(), "{old} is not in the module");
        for at in places {
            module[at..at + new.len()].copy_from_slice(new.as_bytes());
        }
    }
    module
}
