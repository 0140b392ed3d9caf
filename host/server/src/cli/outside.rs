//! What may leave a host, as its operator says it.

use std::path::PathBuf;

use clap::Args;

#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "What may leave the host")]
pub struct OutsideOptions {
    /// A folder with a file for each secret; read when one is used
    #[arg(long, value_name = "DIR")]
    pub secrets: Option<PathBuf>,
    /// Requests may go to this host: example.com, example.com:8443 or *.example.com; may be repeated
    #[arg(long, value_name = "HOST")]
    pub allow_host: Vec<String>,
    /// Requests may go to these addresses though they are not public: 127.0.0.1 or 10.1.0.0/16; may be repeated
    #[arg(long, value_name = "CIDR")]
    pub allow_address: Vec<String>,
    /// Nothing leaves
    #[arg(long)]
    pub no_requests: bool,
}
