//! Bytes in and out: little-endian integers, LEB128 variable-length integers (as in DWARF and
//! WebAssembly), length-prefixed strings. Everything on disk is written with these.

/// Bytes that don't say what their format promises.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed {what} at byte {at}")]
pub struct Malformed {
    pub what: &'static str,
    pub at: usize,
}

#[derive(Clone, Debug, Default)]
pub struct Writer {
    pub bytes: Vec<u8>,
}

impl Writer {
    pub fn u8(&mut self, value: u8) {
        self.bytes.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.bytes.extend_from_slice(&value.to_le_bytes());
    }

    /// Seven bits a byte, lowest first; the high bit says that more follow.
    pub fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.bytes.push(value as u8);
    }

    /// A signed number near zero: 0, -1, 1, -2 … become 0, 1, 2, 3 …
    pub fn zigzag(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    pub fn blob(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
    }

    pub fn text(&mut self, text: &str) {
        self.blob(text.as_bytes());
    }
}

/// Reads what [`Writer`] wrote. Never panics on foreign bytes.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// Begins at `at`; past the end it reads nothing.
    pub fn at(bytes: &'a [u8], at: usize) -> Self {
        Reader { bytes, at: at.min(bytes.len()) }
    }

    pub fn position(&self) -> usize {
        self.at
    }

    pub fn is_empty(&self) -> bool {
        self.at == self.bytes.len()
    }

    #[inline]
    pub fn raw(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let rest = &self.bytes[self.at..];
        if length > rest.len() {
            return Err(Malformed { what, at: self.at });
        }
        self.at += length;
        Ok(&rest[..length])
    }

    #[inline]
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(self.raw(1, what)?[0])
    }

    pub fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        let bytes = self.raw(4, what)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    pub fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let bytes = self.raw(8, what)?;
        let mut value = [0; 8];
        value.copy_from_slice(bytes);
        Ok(u64::from_le_bytes(value))
    }

    #[inline]
    pub fn varint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        // Most are of one byte.
        match self.bytes.get(self.at) {
            Some(byte) if *byte < 0x80 => {
                self.at += 1;
                Ok(u64::from(*byte))
            }
            _ => self.long_varint(what),
        }
    }

    fn long_varint(&mut self, what: &'static str) -> Result<u64, Malformed> {
        let start = self.at;
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8(what)?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed { what, at: start })
    }

    pub fn zigzag(&mut self, what: &'static str) -> Result<i64, Malformed> {
        let value = self.varint(what)?;
        Ok((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    /// A length or count that must fit what is left, so that foreign bytes can't ask for memory.
    #[inline]
    pub fn length(&mut self, what: &'static str) -> Result<usize, Malformed> {
        let at = self.at;
        let length = self.varint(what)?;
        if length > (self.bytes.len() - self.at) as u64 {
            return Err(Malformed { what, at });
        }
        Ok(length as usize)
    }

    #[inline]
    pub fn blob(&mut self, what: &'static str) -> Result<&'a [u8], Malformed> {
        let length = self.length(what)?;
        self.raw(length, what)
    }

    #[inline]
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        let at = self.at;
        std::str::from_utf8(self.blob(what)?).map_err(|_| Malformed { what, at })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_size_come_back() {
        let mut writer = Writer::default();
        let values = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX - 1, u64::MAX];
        for value in values {
            writer.varint(value);
        }
        for value in [0i64, -1, 1, i64::MIN, i64::MAX] {
            writer.zigzag(value);
        }
        let mut reader = Reader::new(&writer.bytes);
        for value in values {
            assert_eq!(reader.varint("number"), Ok(value));
        }
        for value in [0i64, -1, 1, i64::MIN, i64::MAX] {
            assert_eq!(reader.zigzag("number"), Ok(value));
        }
        assert!(reader.is_empty());
    }

    #[test]
    fn foreign_bytes_are_refused_not_believed() {
        assert!(Reader::new(&[0xff; 10]).varint("number").is_err());
        assert!(Reader::new(&[0xff, 0xff, 0xff, 0xff, 0x0f]).blob("text").is_err());
        assert!(Reader::new(&[2, 0xc3, 0x28]).text("text").is_err());
        assert!(Reader::new(&[]).u64("number").is_err());
    }
}
