//! What a file holds.

use std::sync::Arc;

const PAGE: usize = 4_096;

/// Bytes of a file, in pages that copies share.
#[derive(Clone, Default)]
pub struct Image {
    pages: Vec<Option<Arc<[u8; PAGE]>>>,
    pub length: usize,
}

impl Image {
    pub fn set_length(&mut self, length: usize) {
        if length < self.length {
            // What is cut off is zero if the file grows again.
            let end = length.next_multiple_of(PAGE).min(self.length);
            self.write(length, &vec![0; end - length]);
        }
        self.length = length;
        self.pages.resize(length.div_ceil(PAGE), None);
    }

    pub fn write(&mut self, offset: usize, data: &[u8]) {
        if self.length < offset + data.len() {
            self.set_length(offset + data.len());
        }
        let mut at = 0;
        while at < data.len() {
            let (page, from) = ((offset + at) / PAGE, (offset + at) % PAGE);
            let now = (PAGE - from).min(data.len() - at);
            let page = Arc::make_mut(self.pages[page].get_or_insert_with(|| Arc::new([0; PAGE])));
            page[from..from + now].copy_from_slice(&data[at..at + now]);
            at += now;
        }
    }

    /// `false` if this reaches over the end.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> bool {
        if self.length < offset + out.len() {
            return false;
        }
        let mut at = 0;
        while at < out.len() {
            let (page, from) = ((offset + at) / PAGE, (offset + at) % PAGE);
            let now = (PAGE - from).min(out.len() - at);
            match &self.pages[page] {
                Some(page) => out[at..at + now].copy_from_slice(&page[from..from + now]),
                None => out[at..at + now].fill(0),
            }
            at += now;
        }
        true
    }
}
