//! What an operator has said of how much one namespace may take, as the catalogue keeps it.

use crate::model::{ByteReader, ByteWriter, Malformed};

/// Of one namespace alone. What nothing was said of is as the host has it for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnQuota {
    /// Events in its log.
    pub events: Bound,
    /// On the disk.
    pub bytes: Bound,
    /// Requests to it a second.
    pub rate: Bound,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bound {
    /// As for all namespaces of the host.
    #[default]
    TheHosts,
    /// None, whatever the host says.
    Unbounded,
    Most(u64),
}

const THE_HOSTS: u8 = 0;
const UNBOUNDED: u8 = 1;
const MOST: u8 = 2;

impl OwnQuota {
    /// Nothing was said.
    pub fn is_the_hosts(&self) -> bool {
        *self == OwnQuota::default()
    }

    pub(super) fn encode(&self, out: &mut ByteWriter) {
        for bound in [self.events, self.bytes, self.rate] {
            match bound {
                Bound::TheHosts => out.u8(THE_HOSTS),
                Bound::Unbounded => out.u8(UNBOUNDED),
                Bound::Most(most) => {
                    out.u8(MOST);
                    out.u64(most);
                }
            }
        }
    }

    pub(super) fn decode(reader: &mut ByteReader<'_>) -> Result<OwnQuota, Malformed> {
        Ok(OwnQuota { events: bound(reader)?, bytes: bound(reader)?, rate: bound(reader)? })
    }
}

fn bound(reader: &mut ByteReader<'_>) -> Result<Bound, Malformed> {
    let at = reader.position();
    match reader.u8("bound")? {
        THE_HOSTS => Ok(Bound::TheHosts),
        UNBOUNDED => Ok(Bound::Unbounded),
        MOST => Ok(Bound::Most(reader.u64("bound")?)),
        _ => Err(Malformed { what: "bound", at }),
    }
}

impl Bound {
    /// The bound in force, where `hosts` is the one for all namespaces.
    pub fn or(self, hosts: Option<u64>) -> Option<u64> {
        match self {
            Bound::TheHosts => hosts,
            Bound::Unbounded => None,
            Bound::Most(most) => Some(most),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_said_of_one_namespace_stands_before_what_holds_for_all_e6() {
        assert_eq!((Bound::TheHosts.or(Some(5)), Bound::TheHosts.or(None)), (Some(5), None));
        assert_eq!((Bound::Unbounded.or(Some(5)), Bound::Most(7).or(Some(5)), Bound::Most(7).or(None)), (None, Some(7), Some(7)));
    }
}
