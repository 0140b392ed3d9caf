//! What is read and what is emitted. Names of fields are those of the data.

use retold::prelude::*;

/// A flight left its gate. Strings are borrowed from the event: none is copied.
#[derive(Event, Deserialize)]
#[event("flight.departed")]
pub struct Departed<'a> {
    /// The aircraft; absent where nobody recorded it.
    #[serde(borrow, rename = "tailnum")]
    pub tail_number: Option<&'a str>,
    /// Minutes; negative is early.
    pub dep_delay: i32,
}

/// The one field of a departure that a count needs: the others are skipped and never decoded.
#[derive(Event, Deserialize)]
#[event("flight.departed")]
pub struct DepartureDelay {
    /// Minutes; negative is early.
    pub dep_delay: i32,
}

/// A flight reached its destination, or where it was diverted to.
#[derive(Event, Deserialize)]
#[event("flight.arrived")]
pub struct Arrived<'a> {
    #[serde(borrow, rename = "tailnum")]
    pub tail_number: Option<&'a str>,
    /// Minutes; absent where the flight was diverted.
    pub arr_delay: Option<i32>,
}

/// A flight departed late.
#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event("flight.delayed")]
pub struct Delayed {
    pub dep_delay: i32,
}

/// An aircraft that had arrived late departed late again.
#[derive(Event, Serialize, Deserialize, Debug, PartialEq)]
#[event("aircraft.knock-on")]
pub struct KnockOn {
    /// Subject of the flight that departed late.
    pub flight: String,
    pub dep_delay: i32,
    /// Subject of the flight that had arrived late.
    pub after: String,
    pub arr_delay: i32,
}
