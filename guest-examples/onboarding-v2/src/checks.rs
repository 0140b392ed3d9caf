//! The list of checks.

use crate::check::Check;
use crate::{address, credit, sanctions};

pub const CHECKS: &[Check] = &[credit::CHECK, address::CHECK, sanctions::CHECK];
