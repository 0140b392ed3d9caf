//! Compiled code in files that the host wrote itself. Loading one runs whatever machine code is in
//! it, so a file is used only if its seal shows that this host wrote it, for this engine, for this
//! component; everything else is compiled again.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use hmac::{Hmac, Mac};
use retold_engine::model::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use super::{Sandbox, pieces};

const SECRET_BYTES: usize = 32;

/// A folder with two files a component: `DIGEST-ENGINE.code`, the compiled code, and
/// `DIGEST-ENGINE.seal`, an HMAC-SHA-256 of it under a secret that only this host has.
pub struct CompileCache {
    folder: PathBuf,
    secret: [u8; SECRET_BYTES],
    /// Names what shapes compiled code: wasmtime's version and settings, the processor, and what is done to components first.
    engine: Digest,
    /// Two uploads of one module don't write the same files at once.
    writing: Mutex<()>,
}

impl CompileCache {
    /// Makes `folder` and the `secret` file where they are missing, and drops what another version of
    /// the host left behind.
    pub fn open(folder: &Path, secret: &Path, sandbox: &Sandbox) -> io::Result<CompileCache> {
        DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        let cache = CompileCache {
            folder: folder.to_owned(),
            secret: read_or_make_secret(secret)?,
            engine: engine_digest(sandbox.engine()),
            writing: Mutex::new(()),
        };
        cache.drop_leftovers()?;
        Ok(cache)
    }

    /// For the nameless files of compiling processes.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The component of this digest, ready to run; `None` if it must be compiled.
    pub(super) fn load(&self, sandbox: &Sandbox, digest: Digest) -> Option<Component> {
        let code = self.path(digest, "code");
        let seal = fs::read(self.path(digest, "seal")).ok()?;
        self.seal_of(digest, File::open(&code).ok()?).ok()?.verify_slice(&seal).ok()?;
        // Somebody who can change the file between this check and the next line can also read the
        // secret and replace the host: the folder is the host's own, mode 0700.
        #[expect(unsafe_code, reason = "compiled code must be mapped to be run, and only wasmtime can say that it is its own")]
        // SAFETY: the seal shows that `store` wrote these bytes, from `Engine::precompile_component`,
        // and the file is only ever replaced by renaming, never changed, so the mapping stays whole.
        unsafe { Component::deserialize_file(sandbox.engine(), &code) }.ok()
    }

    /// Keeps `compiled` for [`CompileCache::load`].
    pub(super) fn store(&self, digest: Digest, compiled: &[u8]) -> io::Result<()> {
        let _turn = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let seal = self.seal_of(digest, compiled)?.finalize().into_bytes();
        // A power cut may leave either file old, torn or missing: the seal then doesn't fit.
        write_whole(&self.path(digest, "code"), compiled)?;
        write_whole(&self.path(digest, "seal"), &seal)
    }

    fn path(&self, digest: Digest, extension: &str) -> PathBuf {
        self.folder.join(format!("{digest}-{}.{extension}", self.engine_name()))
    }

    fn engine_name(&self) -> String {
        self.engine.to_string()[..16].to_owned()
    }

    fn seal_of(&self, digest: Digest, mut code: impl Read) -> io::Result<Hmac<Sha256>> {
        let mut seal = <Hmac<Sha256> as Mac>::new_from_slice(&self.secret).expect("HMAC takes a key of any length");
        seal.update(&self.engine.0);
        seal.update(&digest.0);
        let mut buffer = vec![0; 64 << 10];
        loop {
            match code.read(&mut buffer)? {
                0 => return Ok(seal),
                length => seal.update(&buffer[..length]),
            }
        }
    }

    fn drop_leftovers(&self) -> io::Result<()> {
        let (code, seal) = (format!("-{}.code", self.engine_name()), format!("-{}.seal", self.engine_name()));
        for entry in fs::read_dir(&self.folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let ours = name.to_str().is_some_and(|name| name.ends_with(&code) || name.ends_with(&seal));
            if !ours && entry.file_type()?.is_file() {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

fn read_or_make_secret(path: &Path) -> io::Result<[u8; SECRET_BYTES]> {
    if let Ok(bytes) = fs::read(path)
        && let Ok(secret) = bytes.try_into()
    {
        return Ok(secret);
    }
    // None yet, or torn by a power cut while it was first written: what it sealed is compiled again.
    let mut secret = [0; SECRET_BYTES];
    getrandom::fill(&mut secret).map_err(|error| io::Error::other(error.to_string()))?;
    write_whole(path, &secret)?;
    Ok(secret)
}

/// Writes beside the place and renames, so that a reader sees the old file or the new one. Mode 0600.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let beside = path.with_extension("tmp");
    let _ = fs::remove_file(&beside);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    fs::rename(&beside, path)
}

fn engine_digest(engine: &Engine) -> Digest {
    struct Sha(Sha256);
    impl Hasher for Sha {
        fn write(&mut self, bytes: &[u8]) {
            self.0.update(bytes);
        }
        fn finish(&self) -> u64 {
            unreachable!("only the whole digest is asked for")
        }
    }
    let mut hasher = Sha(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    pieces::REVISION.hash(&mut hasher);
    Digest(hasher.0.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wasm::compile_child::build;
    use crate::wasm::tests::guests::{self, Folder};

    fn open(folder: &Folder, sandbox: &Sandbox) -> CompileCache {
        CompileCache::open(&folder.path().join("code"), &folder.path().join("secret"), sandbox).unwrap()
    }

    #[test]
    fn code_that_the_host_did_not_write_is_never_loaded() {
        let (sandbox, folder) = (guests::sandbox(), Folder::new("cache"));
        let cache = open(&folder, &sandbox);
        let built = build(&guests::Parts::default().core()).unwrap();
        let digest = Digest::of(&built.component);
        assert!(cache.load(&sandbox, digest).is_none(), "nothing there yet");
        cache.store(digest, &built.compiled).unwrap();
        assert!(cache.load(&sandbox, digest).is_some());
        assert!(open(&folder, &sandbox).load(&sandbox, digest).is_some(), "and after a restart");

        let code = cache.path(digest, "code");
        let mut changed = built.compiled.clone();
        changed[built.compiled.len() / 2] ^= 1;
        fs::write(&code, &changed).unwrap();
        assert!(cache.load(&sandbox, digest).is_none(), "one bit changed");

        let other = Digest::of(b"another component");
        cache.store(digest, &built.compiled).unwrap();
        for extension in ["code", "seal"] {
            fs::copy(cache.path(digest, extension), cache.path(other, extension)).unwrap();
        }
        assert!(cache.load(&sandbox, other).is_none(), "the code of another component");

        fs::write(folder.path().join("secret"), [7; SECRET_BYTES]).unwrap();
        assert!(open(&folder, &sandbox).load(&sandbox, digest).is_none(), "sealed by another host");
    }

    #[test]
    fn what_another_version_left_behind_is_dropped() {
        let (sandbox, folder) = (guests::sandbox(), Folder::new("leftovers"));
        let cache = open(&folder, &sandbox);
        let old = cache.folder().join(format!("{}-0123456789abcdef.code", Digest::ZERO));
        fs::write(&old, b"old").unwrap();
        fs::write(cache.folder().join("half.tmp"), b"half").unwrap();
        open(&folder, &sandbox);
        assert_eq!(fs::read_dir(cache.folder()).unwrap().count(), 0);
    }

    #[test]
    fn the_secret_is_readable_by_the_host_alone() {
        use std::os::unix::fs::PermissionsExt;
        let (sandbox, folder) = (guests::sandbox(), Folder::new("secret"));
        open(&folder, &sandbox);
        let mode = fs::metadata(folder.path().join("secret")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
