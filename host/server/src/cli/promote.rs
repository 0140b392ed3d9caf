//! `retold promote`: a retelling takes its base's place; or the generation before takes it back.

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::arguments::Common;
use super::client::Client;
use super::output::{print, print_json};
use super::words::{counted, thousands};

const AFTER_HELP: &str = "\
Examples:
  retold promote retold                     the retelling takes its base's place
  retold promote --back main                the generation before takes it back
  retold namespaces drop main@1             then: the old generation is removed for good

Appends wait for some milliseconds, and go on in the new generation. Cursors that readers hold stay good: a
reader may see an event again under the same id, and misses none. The way back compares both logs first, while appends
go on: of tens of millions of events that takes minutes.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Promote {
    /// The retelling; with --back, the namespace whose place it took
    #[arg(value_name = "NAME")]
    name: String,
    /// Go back to the generation before
    #[arg(long)]
    back: bool,
}

pub fn run(common: &Common, promote: &Promote) -> Result<()> {
    let client = Client::new(common)?.of(&promote.name);
    let body = if promote.back { json!({ "back": true }) } else { json!({}) }.to_string();
    let promoted = client.post(&client.path(&["promote"]), "application/json", body.as_bytes())?;
    if common.json { print_json(&promoted) } else { print(&told(&promoted)) }
}

fn told(promoted: &Value) -> String {
    let text = |name: &str| promoted[name].as_str().unwrap_or("?");
    let number = |name: &str| promoted[name].as_u64().unwrap_or(0);
    let (namespace, old) = (text("namespace"), text("old"));
    let mut told = format!(
        "{namespace} is generation {} now; appends waited {:.1} ms\n  before  {old}, up to position {}, chain {}\n  now     {namespace}, up to position {}, chain {}\n",
        number("generation"),
        number("paused_us") as f64 / 1e3,
        text("old_head"),
        text("old_chain"),
        text("new_head"),
        text("new_chain"),
    );
    if number("kept") + number("dropped") + number("forgotten") > 0 {
        told.push_str(&format!(
            "  {} kept, {} dropped, {} forgotten\n",
            counted(number("kept"), "source event"),
            thousands(number("dropped")),
            thousands(number("forgotten"))
        ));
    }
    if number("forgotten") > 0 {
        told.push_str(&format!(
            "what was forgotten is still in {old}: `retold namespaces drop {old}` erases it; backups are yours to erase\n"
        ));
    } else {
        told.push_str(&format!(
            "`retold promote --back {namespace}` goes back, as long as {old} is there; `retold namespaces drop {old}` removes it\n"
        ));
    }
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_promotion_tells_how_long_appends_waited_and_how_to_go_back() {
        let mut promoted = json!({
            "namespace": "main", "generation": 2, "old": "main@1", "paused_us": 12_300, "old_head": "100", "new_head": "90",
            "old_chain": "sha256:aa", "new_chain": "sha256:bb", "kept": 80, "dropped": 5, "forgotten": 0,
        });
        let expected = "\
main is generation 2 now; appends waited 12.3 ms
  before  main@1, up to position 100, chain sha256:aa
  now     main, up to position 90, chain sha256:bb
  80 source events kept, 5 dropped, 0 forgotten
`retold promote --back main` goes back, as long as main@1 is there; `retold namespaces drop main@1` removes it
";
        assert_eq!(told(&promoted), expected);
        promoted["forgotten"] = json!(3);
        assert!(told(&promoted).ends_with("`retold namespaces drop main@1` erases it; backups are yours to erase\n"));
    }
}
