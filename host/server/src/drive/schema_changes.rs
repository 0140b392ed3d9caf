//! Schemas that operators give and modules bring. What would not fit the history that there is, is refused
//! before anything is changed; what is recorded while that is looked at is looked at last by the writer.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use retold_engine::model::{EventRef, Manifest, Position, TypePattern};
use retold_engine::store::{Accepted, Filter, Proposal, SchemaRow, Snapshot};
use tokio::sync::oneshot;

use super::committer::{Job, LastLook};
use super::generations::blocking;
use super::inside::Inside;
use super::namespace::Namespace;
use super::queue::Cost;
use super::schemas::{SchemaBook, fits};
use super::types::{DriveError, SchemaRefused};
use super::upgrade;
use crate::schema::Schema;

impl Namespace {
    /// Gives a type a schema. Every stored event of the type must fit it. Answers whether it is new.
    pub async fn set_schema(&self, r#type: &str, json: &str) -> Result<bool, DriveError> {
        if r#type.is_empty() || r#type.contains(|letter: char| letter.is_whitespace() || letter.is_control() || matches!(letter, ',' | '*'))
        {
            let what = format!("{type:?} is no type: use a name such as order.placed, without spaces, commas and asterisks");
            return Err(DriveError::SchemaRefused(SchemaRefused::NotASchema { r#type: r#type.to_owned(), what }));
        }
        let _turn = self.inside().deploying.lock().await;
        let (name, text) = (r#type.to_owned(), json.to_owned());
        let schema = blocking(move || compile(&name, &text)).await?;
        let rows = self.reader().schemas();
        if let Some(row) = rows.get(r#type) {
            if row.json == json && row.module.is_none() {
                return Ok(false);
            }
            let other = Schema::compile(&row.json).ok().and_then(|other| schema.difference(&other));
            if let (Some(place), Some(module)) = (other, row.module) {
                let owner = owner(self.inside(), module);
                return Err(DriveError::SchemaRefused(SchemaRefused::Other { r#type: r#type.to_owned(), owner, place }));
            }
        }
        let schemas = BTreeMap::from([(r#type.to_owned(), schema)]);
        let check = self.looked(move |snapshot, after| history_fits(snapshot, after, &schemas, &BTreeSet::new())).await?;
        let proposal = Proposal::SetSchema { r#type: r#type.to_owned(), schema: Some(json.to_owned()) };
        self.change_after(proposal, Some(check)).await.map(|_| true)
    }

    /// Takes an uploaded schema away.
    pub async fn remove_schema(&self, r#type: &str) -> Result<(), DriveError> {
        let _turn = self.inside().deploying.lock().await;
        if self.reader().schemas().get(r#type).is_none_or(|row| row.module.is_some()) {
            return Err(DriveError::SchemaRefused(SchemaRefused::None { r#type: r#type.to_owned() }));
        }
        self.change_after(Proposal::SetSchema { r#type: r#type.to_owned(), schema: None }, None).await.map(drop)
    }

    /// Looks at history until little is left of it, and answers what the writer has still to look at.
    async fn looked(
        &self,
        look: impl Fn(&Snapshot, Position) -> Result<(), DriveError> + Send + Sync + 'static,
    ) -> Result<LastLook, DriveError> {
        let inside = self.inside().clone();
        blocking(move || {
            let after = upgrade::looked(&inside, &look)?;
            let last: LastLook = Box::new(move |snapshot, proposal| look(snapshot, after).map(|()| proposal));
            Ok(last)
        })
        .await
    }

    async fn change_after(&self, proposal: Proposal, last_look: Option<LastLook>) -> Result<Accepted, DriveError> {
        self.check_writable()?;
        let (reply, answer) = oneshot::channel();
        self.inside().queue.push(Job::Change { proposal: Box::new(proposal), last_look, reply }, Cost { events: 1, bytes: 0 })?;
        answer.await.map_err(|_| DriveError::Stopping)?
    }
}

pub fn compile(r#type: &str, json: &str) -> Result<Schema, DriveError> {
    Schema::compile(json)
        .map_err(|error| DriveError::SchemaRefused(SchemaRefused::NotASchema { r#type: r#type.to_owned(), what: error.to_string() }))
}

fn owner(inside: &Inside, module: u32) -> String {
    inside.reader.modules().get(&module).map_or_else(|| "another module".to_owned(), |row| format!("module {:?}", row.name))
}

/// The schemas of a manifest that say something new, compiled; refused where another module, or an
/// operator, has given the type another one.
pub fn new_schemas(inside: &Inside, manifest: &Manifest) -> Result<BTreeMap<String, Schema>, DriveError> {
    let rows = inside.reader.schemas();
    let modules = inside.reader.modules();
    let mut schemas: BTreeMap<String, Schema> = BTreeMap::new();
    for declared in &manifest.schemas {
        let schema = compile(&declared.r#type, &declared.json)?;
        let refuse = |owner: String, place: String| {
            Err(DriveError::SchemaRefused(SchemaRefused::Other { r#type: declared.r#type.clone(), owner, place }))
        };
        if let Some(place) = schemas.get(&declared.r#type).and_then(|other| schema.difference(other)) {
            return refuse("the same manifest".into(), place);
        }
        let uploaded = rows.get(&declared.r#type).filter(|row| row.module.is_none());
        if let Some(place) = uploaded.and_then(|row| Schema::compile(&row.json).ok()).and_then(|other| schema.difference(&other)) {
            return refuse("an operator".into(), place);
        }
        for other in modules.values().filter(|module| module.active && module.name != manifest.name) {
            let same_type = other.manifest.schemas.iter().filter(|other| other.r#type == declared.r#type);
            for theirs in same_type.filter_map(|theirs| Schema::compile(&theirs.json).ok()) {
                if let Some(place) = schema.difference(&theirs) {
                    return refuse(format!("module {:?}", other.name), place);
                }
            }
        }
        schemas.insert(declared.r#type.clone(), schema);
    }
    let known = |name: &str, schema: &Schema| {
        rows.get(name).and_then(|row| Schema::compile(&row.json).ok()).is_some_and(|other| schema.difference(&other).is_none())
    };
    schemas.retain(|name, schema| !known(name, schema));
    Ok(schemas)
}

/// Whether every stored event of these types fits, those after `after`. Those of types in `taken`, which
/// upcasters take, may look as they did: nobody need read them as they are.
pub fn history_fits(
    snapshot: &Snapshot,
    after: Position,
    schemas: &BTreeMap<String, Schema>,
    taken: &BTreeSet<String>,
) -> Result<(), DriveError> {
    let looked_at: Vec<&String> = schemas.keys().filter(|name| !taken.contains(*name)).collect();
    if looked_at.is_empty() {
        return Ok(());
    }
    let filter = Filter::types(looked_at.iter().filter_map(|name| TypePattern::parse(name)));
    let mut refused = None;
    snapshot.scan(after, snapshot.head(), &filter, &mut |event: EventRef<'_>| {
        let Some(schema) = schemas.get(event.r#type) else { return ControlFlow::Continue(()) };
        match fits(schema, event.content_type, event.data) {
            Ok(()) => ControlFlow::Continue(()),
            Err(violation) => {
                refused = Some(SchemaRefused::History {
                    r#type: event.r#type.to_owned(),
                    position: event.position,
                    path: violation.path,
                    what: violation.what,
                });
                ControlFlow::Break(())
            }
        }
    })?;
    refused.map_or(Ok(()), |refused| Err(DriveError::SchemaRefused(refused)))
}

/// The schemas as they would be with these beside them.
pub fn book_with(inside: &Inside, manifest: &Manifest) -> Arc<SchemaBook> {
    let mut rows: BTreeMap<String, SchemaRow> = (*inside.reader.schemas()).clone();
    for declared in &manifest.schemas {
        rows.insert(declared.r#type.clone(), SchemaRow { json: declared.json.clone(), module: None });
    }
    Arc::new(SchemaBook::next(&inside.book(), &rows))
}
