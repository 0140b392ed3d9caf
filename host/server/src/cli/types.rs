//! `retold types`: the catalogue of types, and their schemas.

use std::path::PathBuf;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::Value;

use super::arguments::Common;
use super::client::Client;
use super::failure::Usage;
use super::output::{print, print_json};
use super::words::{table, thousands};

const AFTER_HELP: &str = "\
Examples:
  retold types
  retold types order.placed                             who makes it, who reads it, its schema
  retold types order.placed --schema order-placed.json  from now on, all of them must fit it
  retold types order.placed --remove-schema

A schema (JSON Schema, 2020-12) is taken only if every stored event of the type fits it.";

#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub struct Types {
    #[arg(value_name = "TYPE")]
    r#type: Option<String>,
    /// Give the type this schema
    #[arg(long, value_name = "FILE", requires = "type")]
    schema: Option<PathBuf>,
    /// Take the schema away that was given so
    #[arg(long, requires = "type", conflicts_with = "schema")]
    remove_schema: bool,
}

pub fn run(common: &Common, asked: &Types) -> Result<()> {
    let client = Client::new(common)?;
    let Some(name) = &asked.r#type else {
        let types = client.get(&client.path(&["types"]))?;
        return if common.json { print_json(&types) } else { print(&listed(&types)) };
    };
    let path = client.path(&["types", name]);
    if asked.remove_schema {
        let removed = client.delete(&(path + "/schema"))?;
        return if common.json { print_json(&removed) } else { print(&format!("{name} has no schema of yours any more\n")) };
    }
    let answer = match &asked.schema {
        Some(file) => {
            let json = std::fs::read(file).map_err(|error| Usage(format!("cannot read {}: {error}", file.display())))?;
            client
                .put(&(path + "/schema"), "application/schema+json", &json)
                .with_context(|| format!("{name} has the schema that it had"))?
        }
        None => client.get(&path)?,
    };
    if common.json { print_json(&answer) } else { print(&page(&answer)?) }
}

fn words(value: &Value) -> String {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

fn listed(types: &Value) -> String {
    let row = |of: &Value| {
        let text = |field: &str| of[field].as_str().unwrap_or("").to_owned();
        let readers = match of["upcast_by"].as_str() {
            Some(upcaster) if of["read_by"].as_array().is_some_and(Vec::is_empty) => format!("{upcaster} (upcaster)"),
            Some(upcaster) => format!("{}, {upcaster} (upcaster)", words(&of["read_by"])),
            None => words(&of["read_by"]),
        };
        let schema = if of["schema"].is_null() { "" } else { "yes" };
        vec![
            text("type"),
            text("kind"),
            thousands(of["count"].as_u64().unwrap_or(0)),
            text("first_position"),
            text("last_position"),
            schema.to_owned(),
            words(&of["emitted_by"]),
            readers,
        ]
    };
    let rows: Vec<Vec<String>> = types["types"].as_array().into_iter().flatten().map(row).collect();
    table(&["type", "kind", "count", "first", "last", "schema", "made by", "read by"], &rows)
}

fn page(of: &Value) -> Result<String> {
    let text = |field: &str| of[field].as_str().unwrap_or("").to_owned();
    let mut page = format!("{} ({})\n", text("type"), text("kind"));
    let mut line = |name: &str, value: String| {
        if !value.is_empty() {
            page.push_str(&format!("  {name:<8} {value}\n"));
        }
    };
    line("count", thousands(of["count"].as_u64().unwrap_or(0)));
    line("first", text("first_position"));
    line("last", text("last_position"));
    line("made by", words(&of["emitted_by"]));
    line("read by", words(&of["read_by"]));
    line("upcast", text("upcast_by"));
    line("schema", text("schema_by"));
    if !of["schema"].is_null() {
        page.push_str(&serde_json::to_string_pretty(&of["schema"])?);
        page.push('\n');
    }
    Ok(page)
}
