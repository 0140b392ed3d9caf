//! The list of checks.

use crate::check::Check;
use crate::{address, credit};

pub const CHECKS: &[Check] = &[credit::CHECK, address::CHECK];
