//! Secrets: a folder with a file for each, as container platforms mount them. Read when one is used, so that
//! a changed one counts at once; never logged, never stored in an event.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

/// Larger files are no secrets.
const SECRET_BYTES_MAX: u64 = 64 << 10;

/// Where the operator keeps them.
#[derive(Clone, Debug, Default)]
pub struct Secrets {
    folder: Option<PathBuf>,
}

/// A secret's bytes. Shown by nobody.
pub struct Secret(Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Why a secret can't be used. Says its name and never what is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the host has no secrets: start it with --secrets FOLDER, a file for each secret")]
    NoFolder,
    #[error("{0:?} is no name of a secret: use 1 to 64 of A-Z, a-z, 0-9, - and _")]
    Name(String),
    #[error("there is no secret {0:?}: put it into a file of that name in the host's folder of secrets")]
    Unknown(String),
    #[error("the function's manifest doesn't name the secret {0:?}: add it to its secrets")]
    Undeclared(String),
    #[error("secret {name:?} can't be read: {why}")]
    Unreadable { name: String, why: String },
}

impl Secrets {
    pub fn in_folder(folder: Option<PathBuf>) -> Secrets {
        Secrets { folder }
    }

    /// The secret of this name, without the newline that editors put at the end of a file.
    pub fn get(&self, name: &str) -> Result<Secret, SecretError> {
        let folder = self.folder.as_ref().ok_or(SecretError::NoFolder)?;
        let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        if !(1..=64).contains(&name.len()) || !name.bytes().all(good) {
            return Err(SecretError::Name(name.to_owned()));
        }
        let read = || {
            let mut bytes = Vec::new();
            File::open(folder.join(name))?.take(SECRET_BYTES_MAX + 1).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > SECRET_BYTES_MAX {
                return Err(io::Error::other(format!("it has more than {SECRET_BYTES_MAX} bytes")));
            }
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(Secret(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(SecretError::Unknown(name.to_owned())),
            Err(error) => Err(SecretError::Unreadable { name: name.to_owned(), why: error.to_string() }),
        }
    }

    /// `text` with each `{{secret:NAME}}` replaced. Only names that `allowed` has.
    pub fn fill(&self, text: &str, allowed: &[String]) -> Result<Vec<u8>, SecretError> {
        const OPEN: &str = "{{secret:";
        let (mut filled, mut rest) = (Vec::with_capacity(text.len()), text);
        while let Some((before, after)) = rest.split_once(OPEN) {
            let Some((name, after)) = after.split_once("}}") else { break };
            filled.extend_from_slice(before.as_bytes());
            if !allowed.iter().any(|allowed| allowed == name) {
                return Err(SecretError::Undeclared(name.to_owned()));
            }
            filled.extend_from_slice(self.get(name)?.bytes());
            rest = after;
        }
        filled.extend_from_slice(rest.as_bytes());
        Ok(filled)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("retold-secrets-{name}-{}", std::process::id()));
        drop(std::fs::remove_dir_all(&folder));
        std::fs::create_dir_all(&folder).expect("made");
        folder
    }

    #[test]
    fn a_secret_is_the_content_of_its_file_and_never_shown() {
        let folder = folder("shown");
        std::fs::write(folder.join("KEY"), "s3cret\n").expect("written");
        std::fs::write(folder.join("windows"), "s3cret\r\n").expect("written");
        std::fs::write(folder.join("huge"), vec![b'x'; 1 << 20]).expect("written");
        let secrets = Secrets::in_folder(Some(folder));
        assert_eq!(secrets.get("KEY").expect("there").bytes(), b"s3cret");
        assert_eq!(secrets.get("windows").expect("there").bytes(), b"s3cret");
        assert!(!format!("{:?}", secrets.get("KEY")).contains("s3cret"));
        assert_eq!(secrets.get("none").err(), Some(SecretError::Unknown("none".into())));
        for name in ["", "../KEY", "a/b", "a b", "."] {
            assert_eq!(secrets.get(name).err(), Some(SecretError::Name(name.into())), "{name}");
        }
        assert!(matches!(secrets.get("huge").err(), Some(SecretError::Unreadable { .. })));
        assert_eq!(Secrets::default().get("KEY").err(), Some(SecretError::NoFolder));
    }

    #[test]
    fn placeholders_are_filled_with_what_the_function_may_use() {
        let folder = folder("filled");
        std::fs::write(folder.join("KEY"), "{{secret:OTHER}}").expect("written");
        let secrets = Secrets::in_folder(Some(folder));
        let allowed = ["KEY".to_owned()];
        // What is put in is not looked at again.
        assert_eq!(secrets.fill("Bearer {{secret:KEY}}!", &allowed).expect("filled"), b"Bearer {{secret:OTHER}}!");
        assert_eq!(secrets.fill("nothing {{here}} {{secret:", &allowed).expect("filled"), b"nothing {{here}} {{secret:");
        assert_eq!(secrets.fill("{{secret:OTHER}}", &allowed), Err(SecretError::Undeclared("OTHER".into())));
    }
}
