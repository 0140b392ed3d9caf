//! Upcasters, as `#[upcaster]` makes them.

use retold::__private::wire::FunctionKind;
use retold::__private::{Envelope, Upcast, upcast_all};
use retold::prelude::*;
use retold::testing::{Given, Trial};
use retold::{Function, Upcaster};

#[derive(Event, Deserialize)]
#[event("name.given.v1")]
struct NameV1 {
    name: String,
}

#[derive(Event, Deserialize)]
#[event("nickname.given.v1")]
struct NicknameV1 {
    name: Option<String>,
}

#[derive(Event, Serialize, Deserialize)]
#[event("first-name.given")]
struct FirstName {
    name: String,
}

#[derive(Event, Serialize)]
#[event("last-name.given")]
struct LastName {
    name: String,
}

#[upcaster]
fn name_split(old: Recorded<NameV1>) -> Result<(FirstName, LastName)> {
    let (first, last) = old.name.split_once(' ').ok_or_else(|| Error::reject("one word is no name"))?;
    Ok((FirstName { name: first.to_owned() }, LastName { name: last.to_owned() }))
}

#[upcaster(name = "nicknames")]
fn nickname_v2(old: Recorded<NicknameV1>) -> Result<Option<FirstName>> {
    Ok(old.into_data().name.map(|name| FirstName { name }))
}

#[upcaster(name = "wanders")]
fn wandering(old: Recorded<FirstName>) -> Result<Emit<LastName>> {
    Ok(LastName { name: old.into_data().name }.about("elsewhere"))
}

#[test]
fn a_manifest_tells_the_old_type_and_the_new_ones() {
    let manifest = name_split::describe();
    assert_eq!(manifest.name, "name-split");
    assert!(matches!(manifest.kind, FunctionKind::Upcaster));
    assert_eq!(manifest.subscribes, ["name.given.v1"]);
    assert_eq!(manifest.emits, ["first-name.given", "last-name.given"]);
    assert_eq!(nickname_v2::describe().name, "nicknames");
}

#[test]
fn an_event_becomes_several_one_or_none_about_its_own_subject() {
    let given = |event_type: &str, data: &str| Given::json(event_type, data).about("person/1");
    let mut split = Trial::<name_split>::new();
    let both = split.upcast(&given("name.given.v1", r#"{"name":"Ada Lovelace"}"#)).unwrap();
    assert_eq!(both[1].json(), r#"{"name":"Lovelace"}"#);
    assert_eq!(both[1].subject, "person/1");
    assert_eq!(split.upcast(&given("name.given.v1", r#"{"name":"Ada"}"#)).unwrap_err().message(), "one word is no name");
    let none = Trial::<nickname_v2>::new().upcast(&given("nickname.given.v1", r#"{"name":null}"#));
    assert_eq!(none.unwrap(), []);
}

#[test]
fn an_upcast_event_keeps_its_subject() {
    let error = Trial::<wandering>::new().upcast(&Given::json("first-name.given", r#"{"name":"Ada"}"#)).unwrap_err();
    assert_eq!(error.message(), r#"last-name.given can't be about another subject than """#);
}

#[test]
fn one_batch_holds_events_of_several_upcasters() {
    let event =
        |event_type, data: &'static str| Envelope { position: 1, event_type, subject: "", time: Timestamp::UNIX_EPOCH, data: data.into() };
    let choose = |event_type: &str| -> Option<Upcast> {
        match event_type {
            "name.given.v1" => Some(name_split::upcast),
            "nickname.given.v1" => Some(nickname_v2::upcast),
            _ => None,
        }
    };
    let names = event("name.given.v1", r#"{"name":"A B"}"#);
    let none = event("nickname.given.v1", r#"{"name":null}"#);
    let one = event("nickname.given.v1", r#"{"name":"C"}"#);
    let parts = upcast_all([names, none, one].into_iter(), choose).unwrap();
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [2, 0, 1]);
    let failure = upcast_all([names, event("other", "{}")].into_iter(), choose).unwrap_err();
    assert_eq!((failure.event, failure.message.as_str()), (1, "this module has no upcaster for other"));
}

retold::module!(name = "names", version = "1.0.0", name_split, nickname_v2);
