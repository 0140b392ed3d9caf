//! The binary. Everything it can do is a verb in `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    retold_server::cli::main()
}
