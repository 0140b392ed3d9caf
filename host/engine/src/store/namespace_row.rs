//! What the catalogue says of a namespace.

use super::own_quota::OwnQuota;
use crate::model::{ByteReader, ByteWriter, Malformed, Position, Timestamp};

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamespaceRow {
    pub name: String,
    /// Beside the catalogue; a folder is never used twice for other content.
    pub folder: String,
    pub created: Timestamp,
    /// 1, and one more with each promotion, also with one back.
    pub generation: u64,
    pub role: Role,
    /// Earlier generations, oldest first; their folders may be dropped.
    pub previous: Vec<Previous>,
    pub quota: OwnQuota,
}

/// What a namespace is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    Own,
    /// Shares the history of what is in another folder.
    Fork {
        base_folder: String,
        at: Position,
    },
    /// Retells another namespace, until it is promoted over it. The plan is its maker's.
    Retelling {
        base: String,
        base_folder: String,
        plan: Vec<u8>,
    },
    /// An earlier generation, and what it was then.
    Old {
        of: String,
        role: Box<Role>,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Previous {
    pub generation: u64,
    pub folder: String,
}

/// Before a row that says which format it has. The oldest rows don't: they begin with the length of the
/// folder, which is never 0.
const FORMATTED: u8 = 0;
/// Of a row that tells a quota of its own; without one it is as it was before there were any.
const FORMAT: u8 = 3;
const FORMAT_WITHOUT_QUOTA: u8 = 2;

impl NamespaceRow {
    /// A namespace with a log of its own.
    pub fn own(name: impl Into<String>, folder: impl Into<String>, created: Timestamp) -> NamespaceRow {
        NamespaceRow {
            name: name.into(),
            folder: folder.into(),
            created,
            generation: 1,
            role: Role::Own,
            previous: Vec::new(),
            quota: OwnQuota::default(),
        }
    }

    /// Its folder and those of its earlier generations.
    pub fn folders(&self) -> impl Iterator<Item = &str> {
        self.previous.iter().map(|previous| previous.folder.as_str()).chain([self.folder.as_str()])
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = ByteWriter::default();
        out.u8(FORMATTED);
        out.u8(if self.quota.is_the_hosts() { FORMAT_WITHOUT_QUOTA } else { FORMAT });
        out.text(&self.folder);
        out.u64(self.created.0);
        out.u64(self.generation);
        self.role.encode(&mut out);
        out.varint(self.previous.len() as u64);
        for previous in &self.previous {
            out.u64(previous.generation);
            out.text(&previous.folder);
        }
        if !self.quota.is_the_hosts() {
            self.quota.encode(&mut out);
        }
        out.bytes
    }

    pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<NamespaceRow, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let formatted = bytes.first() == Some(&FORMATTED);
        let format = if formatted { (reader.u8("row")?, reader.u8("row format")?).1 } else { FORMAT_WITHOUT_QUOTA };
        if !(FORMAT_WITHOUT_QUOTA..=FORMAT).contains(&format) {
            return Err(Malformed { what: "row format", at: 1 });
        }
        let (folder, created) = (reader.text("folder")?.to_owned(), Timestamp(reader.u64("created")?));
        let row = NamespaceRow::own(name, folder, created);
        if !formatted {
            return Ok(row);
        }
        let generation = reader.u64("generation")?;
        let role = Role::decode(&mut reader)?;
        let count = reader.length("generations")?;
        let mut previous = || Ok(Previous { generation: reader.u64("generation")?, folder: reader.text("folder")?.to_owned() });
        let previous = (0..count).map(|_| previous()).collect::<Result<_, _>>()?;
        let quota = if format == FORMAT { OwnQuota::decode(&mut reader)? } else { OwnQuota::default() };
        Ok(NamespaceRow { generation, role, previous, quota, ..row })
    }
}

const OWN: u8 = 0;
const FORK: u8 = 1;
const RETELLING: u8 = 2;
const OLD: u8 = 3;

impl Role {
    /// The folder that it came of, if there is one.
    pub fn base_folder(&self) -> Option<&str> {
        match self {
            Role::Own => None,
            Role::Fork { base_folder, .. } | Role::Retelling { base_folder, .. } => Some(base_folder),
            Role::Old { role, .. } => role.base_folder(),
        }
    }

    fn encode(&self, out: &mut ByteWriter) {
        match self {
            Role::Own => out.u8(OWN),
            Role::Fork { base_folder, at } => {
                out.u8(FORK);
                out.text(base_folder);
                out.u64(at.0);
            }
            Role::Retelling { base, base_folder, plan } => {
                out.u8(RETELLING);
                out.text(base);
                out.text(base_folder);
                out.blob(plan);
            }
            Role::Old { of, role } => {
                out.u8(OLD);
                out.text(of);
                role.encode(out);
            }
        }
    }

    fn decode(reader: &mut ByteReader<'_>) -> Result<Role, Malformed> {
        let at = reader.position();
        Ok(match reader.u8("role")? {
            OWN => Role::Own,
            FORK => Role::Fork { base_folder: reader.text("folder")?.to_owned(), at: Position(reader.u64("position")?) },
            RETELLING => Role::Retelling {
                base: reader.text("base")?.to_owned(),
                base_folder: reader.text("folder")?.to_owned(),
                plan: reader.blob("plan")?.to_vec(),
            },
            OLD => {
                let of = reader.text("namespace")?.to_owned();
                match Role::decode(reader)? {
                    Role::Old { .. } => return Err(Malformed { what: "role", at }),
                    role => Role::Old { of, role: Box::new(role) },
                }
            }
            _ => return Err(Malformed { what: "role", at }),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::own_quota::Bound;
    use super::*;

    #[test]
    fn a_row_of_the_first_format_is_the_first_generation_of_a_log_of_its_own() {
        let mut old = ByteWriter::default();
        old.text("namespaces/main");
        old.u64(7);
        assert_eq!(NamespaceRow::decode("main", &old.bytes), Ok(NamespaceRow::own("main", "namespaces/main", Timestamp(7))));
    }

    #[test]
    fn a_row_of_every_role_comes_back_and_a_cut_one_is_refused() {
        let fork = Role::Fork { base_folder: "namespaces/main".into(), at: Position(300) };
        let retelling = Role::Retelling { base: "main".into(), base_folder: "namespaces/main".into(), plan: vec![1, 2] };
        let old = |role: &Role| Role::Old { of: "main".into(), role: Box::new(role.clone()) };
        let quota = OwnQuota { events: Bound::Most(300), bytes: Bound::Unbounded, rate: Bound::TheHosts };
        let roles = [Role::Own, fork.clone(), retelling, old(&Role::Own), old(&fork)].map(|role| (role, OwnQuota::default()));
        for (role, quota) in roles.into_iter().chain([(fork, quota), (Role::Own, OwnQuota { rate: Bound::Most(5), ..quota })]) {
            let row = NamespaceRow {
                quota,
                generation: 3,
                role,
                previous: vec![Previous { generation: 1, folder: "a".into() }, Previous { generation: 2, folder: "b".into() }],
                ..NamespaceRow::own("main", "namespaces/main.3", Timestamp(7))
            };
            let bytes = row.encode();
            assert_eq!(NamespaceRow::decode("main", &bytes), Ok(row.clone()));
            for end in 0..bytes.len() {
                assert!(NamespaceRow::decode("main", &bytes[..end]).is_err(), "{row:?} cut at {end}");
            }
        }
    }

    #[test]
    fn a_row_has_the_bytes_that_the_page_on_the_data_file_says() {
        let row = NamespaceRow {
            generation: 2,
            role: Role::Fork { base_folder: "b".into(), at: Position(5) },
            previous: vec![Previous { generation: 1, folder: "c".into() }],
            ..NamespaceRow::own("main", "a", Timestamp(7))
        };
        let number = |number: u64| number.to_le_bytes();
        let expected: Vec<u8> =
            [&[0, 2, 1, b'a'][..], &number(7), &number(2), &[1, 1, b'b'], &number(5), &[1], &number(1), &[1, b'c']].concat();
        assert_eq!(row.encode(), expected);
        let quota = OwnQuota { events: Bound::Most(9), bytes: Bound::Unbounded, rate: Bound::TheHosts };
        let own = NamespaceRow { quota, ..row }.encode();
        assert_eq!(own, [&[0, 3], &expected[2..], &[2], &number(9)[..], &[1, 0]].concat());
    }
}
