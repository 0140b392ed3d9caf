//! What a request takes of memory.

use std::net::IpAddr;
use std::sync::Arc;

use http::Request;
use hyper::body::Incoming;

use super::super::call::Call;
use super::super::dispatch::respond;
use super::super::site::Site;
use super::super::{admin, events};

/// The largest block that glibc's allocator keeps at hand for each thread.
const AT_HAND_BYTES: usize = 1_032;

fn size<F>(_: fn(Box<Call>) -> F) -> usize {
    size_of::<F>()
}

#[test]
fn what_a_request_is_while_it_waits_fits_what_the_allocator_keeps_at_hand() {
    fn respond_size<F>(_: fn(Arc<Site>, IpAddr, Request<Incoming>) -> F) -> usize {
        size_of::<F>()
    }
    for (name, bytes) in
        [("append", size(events::append)), ("read", size(events::read)), ("health", size(admin::alive)), ("all", respond_size(respond))]
    {
        assert!(bytes <= AT_HAND_BYTES, "{name} takes {bytes} bytes");
    }
}
