//! `echo-loop`: feeds itself, until the host says that it is enough.

use retold::prelude::*;

#[derive(Event, Deserialize, Serialize)]
#[event("test.loop")]
pub struct Loop {}

#[handler(name = "echo-loop", start = "beginning")]
pub fn echo_loop(_event: Recorded<Loop>) -> Result<Loop> {
    Ok(Loop {})
}
