//! Views and their queries, as `#[view]` and `#[query]` make them.

use retold::__private::unknown_query;
use retold::__private::wire::{FunctionKind, Start};
use retold::prelude::*;
use retold::testing::{Given, Trial};
use retold::{Function, Query};

#[derive(Event, Deserialize)]
#[event("goal.shot")]
struct Shot<'a> {
    by: &'a str,
}

#[derive(Event, Deserialize)]
#[event("goal.annulled")]
struct Annulled<'a> {
    by: &'a str,
}

#[derive(Event)]
enum Goal<'a> {
    Shot(Shot<'a>),
    Annulled(Annulled<'a>),
}

#[view]
fn top_scorers(goal: Recorded<Goal>, rows: &mut Rows<u32>) -> Result<()> {
    match &*goal {
        Goal::Shot(shot) => rows.update(shot.by, |goals| *goals += 1),
        Goal::Annulled(annulled) => match rows.get(annulled.by)? {
            Some(1) => {
                rows.remove(annulled.by);
                Ok(())
            }
            Some(goals) => rows.put(annulled.by, &(goals - 1)),
            None => {
                rows.put("nobody", &0)?;
                Err(Error::reject("there is no such goal"))
            }
        },
    }
}

#[derive(Deserialize)]
struct Page {
    after: String,
    limit: usize,
}

#[query(view = top_scorers)]
fn names_after(page: Page, rows: &Rows<u32>) -> Result<Vec<String>> {
    rows.scan_after("", &page.after).take(page.limit).map(|row| Ok(row?.0)).collect()
}

#[query(view = top_scorers, name = "sum")]
fn all_goals(rows: &Rows<u32>) -> Result<u32, Rejection> {
    let sum = rows.scan("").map(|row| Ok(row?.1)).sum::<Result<u32>>()?;
    if sum == 0 { Err(Rejection::new("no-goals", "nobody has scored")) } else { Ok(sum) }
}

#[view(name = "by-match", split = 2, start = "now", subscribes("goal.*"))]
fn by_match(event: Recorded<Json>, rows: &mut Rows<u32>) -> Result<()> {
    assert_eq!(rows.scan("").count(), usize::from(rows.get("count")?.is_some()), "only the own lane is seen");
    let _ = event;
    rows.update("count", |count| *count += 1)
}

fn goal(kind: &str, by: &str) -> Given {
    Given::json(format!("goal.{kind}"), format!(r#"{{"by":"{by}"}}"#)).about("cup/final/1")
}

#[test]
fn a_view_begins_at_the_beginning_unless_it_says_otherwise() {
    let manifest = top_scorers::describe();
    assert_eq!(manifest.name, "top-scorers");
    assert!(matches!(manifest.kind, FunctionKind::View));
    assert_eq!(manifest.subscribes, ["goal.shot", "goal.annulled"]);
    assert!(matches!(manifest.start, Start::Beginning));
    let manifest = by_match::describe();
    assert_eq!((manifest.name.as_str(), manifest.split), ("by-match", Some(2)));
    assert!(matches!(manifest.start, Start::Now));
    assert_eq!(manifest.subscribes, ["goal.*"]);
}

#[test]
fn events_become_rows_and_rows_answers() {
    let mut trial = Trial::<top_scorers>::new();
    for (kind, by) in [("shot", "ada"), ("shot", "bob"), ("shot", "ada"), ("shot", "cyd"), ("annulled", "bob")] {
        trial.project(&goal(kind, by)).unwrap();
    }
    assert_eq!((trial.row("ada"), trial.row("bob")), (Some(2), None));
    assert_eq!(trial.ask::<all_goals>(&()).unwrap(), 3);
    let page = Json::from_iter([("after", Json::from("ada")), ("limit", 5.into())]);
    assert_eq!(trial.ask::<names_after>(&page).unwrap().to_string(), r#"["cyd"]"#);
}

#[test]
fn what_a_failed_event_wrote_is_undone() {
    let mut trial = Trial::<top_scorers>::new();
    assert_eq!(trial.project(&goal("annulled", "ada")).unwrap_err(), Error::reject("there is no such goal"));
    assert_eq!(trial.row("nobody"), None);
}

#[test]
fn rows_of_a_split_view_stand_under_the_first_parts_of_the_subject() {
    let mut trial = Trial::<by_match>::new();
    trial.project(&goal("shot", "ada")).unwrap();
    trial.project(&goal("shot", "bob")).unwrap();
    trial.project(&goal("shot", "bob").about("cup/third/1")).unwrap();
    assert_eq!(trial.row("cup/final/count"), Some(2));
    let rows: Vec<_> = trial.rows().scan("").map(Result::unwrap).collect();
    assert_eq!(rows, [("cup/final/count".to_owned(), 2), ("cup/third/count".to_owned(), 1)]);
}

#[test]
fn a_query_refuses_in_its_own_words_or_by_what_is_wrong_with_the_question() {
    let mut trial = Trial::<top_scorers>::new();
    assert_eq!(trial.ask::<all_goals>(&()).unwrap_err().code(), "no-goals");
    let rejection = trial.ask::<names_after>(&Json::from_iter([("after", 7)])).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        "invalid-query: names-after: after: invalid type: integer `7`, expected a string at line 1 column 10"
    );
    trial.rows().put("ada", &1).unwrap();
    assert_eq!((names_after::NAME, all_goals::NAME), ("names-after", "sum"));
}

#[test]
fn an_unknown_query_is_refused_with_the_known_ones() {
    let rejection = unknown_query("top-scorers", "best", &[("top-scorers", "sum"), ("other", "x"), ("top-scorers", "names-after")]);
    assert_eq!(rejection.code, "unknown-query");
    assert_eq!(rejection.message, r#"top-scorers has no query "best": it has sum, names-after"#);
}

retold::module!(name = "goals", version = "1.0.0", top_scorers, by_match, names_after, all_goals);
