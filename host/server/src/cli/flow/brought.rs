//! What is odd about the flow since a module is deployed.

use anyhow::Result;

use super::super::client::Client;
use super::answer::Flow;

/// Warnings about functions of a module, a line each. Nothing is counted for them.
pub fn warnings_of(client: &Client, module: &str) -> Result<String> {
    Ok(brought(&Flow::read(&client.get(&(client.path(&["flow"]) + "?declared=true"))?)?, module))
}

fn brought(flow: &Flow, module: &str) -> String {
    let nodes = flow.by_id();
    let is_of_module = |id: &String| nodes.get(id.as_str()).is_some_and(|node| node.module.as_deref() == Some(module));
    let warnings = flow.lints.iter().filter(|lint| lint.level == "warning" && lint.nodes.iter().any(is_of_module));
    warnings.map(|lint| format!("  warning: {}; {}\n", lint.message, lint.advice)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::answer::{Lint, sample};
    use super::*;

    #[test]
    fn a_deployment_tells_the_warnings_that_are_about_its_module() {
        let mut flow = sample();
        let lint = |level: &str, node: &str| Lint {
            level: level.into(),
            nodes: vec!["event:too.late".into(), node.into()],
            message: format!("a {level} about {node}"),
            advice: "mend it".into(),
        };
        flow.lints = vec![lint("warning", "function:orders"), lint("note", "function:orders"), lint("warning", "source:/x")];
        assert_eq!(brought(&flow, "shop"), "  warning: a warning about function:orders; mend it\n");
        assert_eq!(brought(&flow, "other"), "");
    }
}
