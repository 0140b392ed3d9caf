//! The routes on a running host.
