//! Tests of a function on the machine that you sit at, without a host and without Wasm.
//!
//! A [`Trial`] hands events to one function and keeps its state in memory between them:
//!
//! ```
//! use retold::prelude::*;
//! use retold::testing::{Given, Trial};
//! # #[derive(Event, Deserialize)] #[event("order.placed")] struct OrderPlaced { quantity: u64, unit_price: u64 }
//! # #[derive(Event, Serialize)] #[event("order.priced")] struct OrderPriced { total: u64 }
//! # #[handler] fn pricing(order: Recorded<OrderPlaced>) -> Result<OrderPriced> { Ok(OrderPriced { total: order.unit_price * order.quantity }) }
//!
//! let mut trial = Trial::<pricing>::new();
//! let placed = Given::json("order.placed", r#"{"quantity": 3, "unit_price": 250}"#).about("order/1");
//! let outputs = trial.give(&placed).unwrap();
//! assert_eq!(outputs[0].event_type, "order.priced");
//! assert_eq!(outputs[0].subject, "order/1");
//! assert_eq!(outputs[0].json(), r#"{"total":750}"#);
//! ```
//!
//! An aggregate: given what happened, when a command comes, then it answers or refuses:
//!
//! ```
//! use retold::prelude::*;
//! use retold::testing::{Given, Trial, When};
//! # #[derive(Command, Deserialize)] #[command("seat.book")] struct Book { guest: String }
//! # #[derive(Event, Serialize, Deserialize)] #[event("seat.booked")] struct Booked { guest: String }
//! # #[derive(Default, Serialize, Deserialize)] struct Seat { guest: Option<String> }
//! # #[aggregate] impl Seat {
//! #     #[decide] fn book(&self, command: Received<Book>) -> Result<Booked, Rejection> {
//! #         match &self.guest {
//! #             None => Ok(Booked { guest: command.guest.clone() }),
//! #             Some(guest) => Err(Rejection::new("taken", format!("{guest} sits there"))),
//! #         }
//! #     }
//! #     #[evolve] fn booked(&mut self, event: Recorded<Booked>) { self.guest = Some(event.into_data().guest); }
//! # }
//!
//! let mut trial = Trial::<Seat>::new();
//! trial.given(&Given::json("seat.booked", r#"{"guest": "Ada"}"#).about("seat/1")).unwrap();
//! let book = When::json("seat.book", r#"{"guest": "Bob"}"#);
//! assert_eq!(trial.when(&book.clone().to("seat/1")).unwrap_err().code(), "taken");
//! assert_eq!(trial.when(&book.to("seat/2")).unwrap()[0].json(), r#"{"guest":"Bob"}"#);
//! assert_eq!(trial.aggregate("seat/2").guest.as_deref(), Some("Bob"));
//! ```
//!
//! A view: given what happened, then a row or the answer of a query:
//!
//! ```
//! use retold::prelude::*;
//! use retold::testing::{Given, Trial};
//! # #[derive(Event, Serialize, Deserialize)] #[event("seat.booked")] struct Booked { guest: String }
//! # #[view] fn guests(seat: Recorded<Booked>, rows: &mut Rows<u32>) -> Result<()> { rows.update(&seat.guest, |seats| *seats += 1) }
//! # #[query(view = guests)] fn how_many(rows: &Rows<u32>) -> Result<usize, Rejection> { Ok(rows.scan("").count()) }
//!
//! let mut trial = Trial::<guests>::new();
//! trial.project(&Given::json("seat.booked", r#"{"guest": "Ada"}"#).about("seat/1")).unwrap();
//! assert_eq!(trial.row("Ada"), Some(1));
//! assert_eq!(trial.ask::<how_many>(&()).unwrap(), 1);
//! ```
//!
//! An upcaster: given a stored event, then what is read in its place:
//!
//! ```
//! use retold::prelude::*;
//! use retold::testing::{Given, Trial};
//! # #[derive(Event, Deserialize)] #[event("seat.booked.v1")] struct BookedV1 { name: String }
//! # #[derive(Event, Serialize, Deserialize)] #[event("seat.booked")] struct Booked { guest: String }
//! # #[upcaster] fn booked_v2(old: Recorded<BookedV1>) -> Result<Booked> { Ok(Booked { guest: old.into_data().name }) }
//!
//! let mut trial = Trial::<booked_v2>::new();
//! let old = Given::json("seat.booked.v1", r#"{"name": "Ada"}"#).about("seat/1");
//! assert_eq!(trial.upcast(&old).unwrap()[0].json(), r#"{"guest":"Ada"}"#);
//! ```
//!
//! A handler with timers, commands and requests: time passes when the test says so, services answer what
//! it says, and nothing leaves the machine:
//!
//! ```
//! use retold::prelude::*;
//! use retold::testing::{Given, Trial};
//! use std::time::Duration;
//! # #[derive(Event, Serialize, Deserialize)] #[event("payment.overdue")] struct Overdue {}
//! # #[derive(Event, Serialize, Deserialize)] #[event("order.paid")] struct Paid {}
//! # #[derive(Event, Serialize, Deserialize)] #[event("order.placed")] struct Placed {}
//! # #[derive(Command, Serialize)] #[command("order.cancel")] struct CancelOrder {}
//! # #[derive(Event)] enum Read { Placed(Placed), Reply(Reply), Overdue(Overdue) }
//! # #[handler(hosts("pay.example.com"))]
//! # fn payment(event: Recorded<Read>) -> Result<Outputs<(Paid, Timer<Overdue>, Request, Sent<CancelOrder>)>> {
//! #     let mut outputs = Outputs::new();
//! #     match &*event {
//! #         Read::Placed(_) => {
//! #             outputs.request(Request::post("https://pay.example.com/").key("pay"));
//! #             outputs.schedule(Timer::after(Duration::from_secs(3_600), event.subject(), Overdue {}))?;
//! #         }
//! #         Read::Reply(reply) if reply.is_success() => outputs.emit(Paid {})?,
//! #         Read::Reply(_) => {}
//! #         Read::Overdue(_) => outputs.send(CancelOrder {}.to(event.subject()))?,
//! #     }
//! #     Ok(outputs)
//! # }
//!
//! let mut trial = Trial::<payment>::new();
//! trial.give(&Given::json("order.placed", "{}").about("order/1")).unwrap();
//! let request = trial.request("pay");
//! assert_eq!(request.url, "https://pay.example.com/");
//! assert_eq!(trial.reply(&request, 200, "").unwrap()[0].event_type, "order.paid");
//! trial.advance(Duration::from_secs(3_600)).unwrap();
//! assert_eq!(trial.commands()[0].command_type, "order.cancel");
//! ```

mod aggregate;
mod given;
mod handler;
#[cfg(not(target_family = "wasm"))]
mod ingress;
pub(crate) mod log;
mod memory;
mod outside;
mod trial;
mod upcaster;
mod view;

pub use aggregate::When;
pub use given::Given;
#[cfg(not(target_family = "wasm"))]
pub use ingress::{Posted, hmac_sha256_hex};
pub use outside::{SentCommand, SentRequest, SetTimer};
pub use trial::{Output, Trial};
