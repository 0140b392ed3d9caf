//! `onboarding`: the process manager. It starts everything at once, waits for what comes back, and ends in
//! exactly one outcome.

use std::collections::BTreeSet;
use std::time::Duration;

use retold::prelude::*;

use crate::account::{AccountReserved, AskedBy, Release, Reserve};
use crate::checks::CHECKS;
use crate::events::{CustomerCreated, CustomerRefused, CustomerRegistered, TimedOut};

/// From the registration on.
const TIME_LIMIT: Duration = Duration::from_secs(10 * 60);

/// Account numbers that are asked for: the one that the customer would like, and those after it.
const NUMBERS_MAX: u32 = 3;

/// Everything that the process hears of.
#[derive(Event)]
pub enum Heard {
    Registered(CustomerRegistered),
    Replied(Reply),
    Failed(Failed),
    Reserved(AccountReserved),
    Refused(Refused),
    TimedOut(TimedOut),
}

/// Everything that it may do about it.
pub type Done = Outputs<(CustomerCreated, CustomerRefused, Request, Sent<Reserve>, Sent<Release>, Timer<TimedOut>)>;

/// One customer's process, until it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Names of the checks that are not answered.
    checks: BTreeSet<String>,
    number: Number,
    /// The outcome is told; what is left is to release the number that was asked for.
    refused: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
enum Number {
    Asked { number: u32, before: u32 },
    Reserved { number: u32 },
}

#[handler(start = "beginning", hosts("127.0.0.1"))]
pub fn onboarding(event: Recorded<Heard>, processes: &mut State<Process>) -> Result<Done> {
    let mut done = Done::new();
    // What an account tells is about its number; it says whose it is.
    let customer = match &*event {
        Heard::Reserved(reserved) => reserved.customer.clone(),
        Heard::Refused(refused) => refused.data::<AskedBy>()?.customer,
        _ => event.subject().to_owned(),
    };
    let Some(mut process) = processes.get(&customer)? else {
        if let Heard::Registered(registered) = &*event {
            let process = begin(&customer, registered, event.time(), &mut done)?;
            processes.put(&customer, &process)?;
        }
        // Whatever else comes is too late to change the outcome.
        return Ok(done);
    };
    process.hear(&customer, &event, &mut done)?;
    if process.is_over() {
        processes.delete(&customer);
    } else {
        processes.put(&customer, &process)?;
    }
    Ok(done)
}

fn begin(customer: &str, registered: &CustomerRegistered, time: Timestamp, done: &mut Done) -> Result<Process> {
    let checks = CHECKS.iter().filter(|check| check.since <= time);
    for check in checks.clone() {
        done.request(check.request(registered));
    }
    let number = registered.account;
    done.send(reserve(customer, number))?;
    done.schedule(Timer::after(TIME_LIMIT, customer, TimedOut {}))?;
    let checks = checks.map(|check| check.name.to_owned()).collect();
    Ok(Process { checks, number: Number::Asked { number, before: 0 }, refused: false })
}

impl Process {
    fn hear(&mut self, customer: &str, event: &Recorded<'_, Heard>, done: &mut Done) -> Result<()> {
        match &**event {
            Heard::Registered(_) => warn!("{customer} has registered twice"),
            Heard::Replied(reply) => self.checked(customer, reply, done)?,
            Heard::Failed(failed) => self.refuse(customer, &unchecked(failed.request.key()), done)?,
            Heard::Reserved(_) => self.reserved(customer, done)?,
            Heard::Refused(refused) if refused.code == "taken" => self.taken(customer, done)?,
            Heard::Refused(refused) => return Err(Error::reject(format!("{}: {}", refused.code, refused.message))),
            Heard::TimedOut(_) => self.refuse(customer, "it took too long", done)?,
        }
        self.create_if_complete(customer, done)
    }

    fn checked(&mut self, customer: &str, reply: &Reply, done: &mut Done) -> Result<()> {
        let name = reply.request.key();
        self.checks.remove(name);
        let check = CHECKS.iter().find(|check| check.name == name).ok_or_else(|| Error::reject(format!("there is no check {name:?}")))?;
        if !reply.is_success() {
            return self.refuse(customer, &unchecked(name), done);
        }
        match (check.finding)(reply)? {
            Some(reason) => self.refuse(customer, reason, done),
            None => Ok(()),
        }
    }

    fn reserved(&mut self, customer: &str, done: &mut Done) -> Result<()> {
        if let Number::Asked { number, .. } = self.number {
            self.number = Number::Reserved { number };
            if self.refused {
                done.send(release(customer, number))?;
            }
        }
        Ok(())
    }

    /// Somebody has the number: the next one is asked for.
    fn taken(&mut self, customer: &str, done: &mut Done) -> Result<()> {
        let Number::Asked { number, before } = self.number else { return Ok(()) };
        if before + 1 < NUMBERS_MAX && !self.refused {
            let number = number + 1;
            self.number = Number::Asked { number, before: before + 1 };
            return done.send(reserve(customer, number));
        }
        self.number = Number::Asked { number, before: NUMBERS_MAX };
        self.refuse(customer, "no account number is free", done)
    }

    fn create_if_complete(&mut self, customer: &str, done: &mut Done) -> Result<()> {
        match self.number {
            Number::Reserved { number } if self.checks.is_empty() && !self.refused => {
                done.cancel(customer);
                done.emit(CustomerCreated { account: number }.about(customer))
            }
            _ => Ok(()),
        }
    }

    /// The outcome, and what was done is undone; what is not yet known to be done is undone when it is.
    fn refuse(&mut self, customer: &str, reason: &str, done: &mut Done) -> Result<()> {
        if self.refused {
            return Ok(());
        }
        self.refused = true;
        done.cancel(customer);
        if let Number::Reserved { number } = self.number {
            done.send(release(customer, number))?;
        }
        done.emit(CustomerRefused { reason: reason.to_owned() }.about(customer))
    }

    fn is_over(&self) -> bool {
        match self.number {
            Number::Reserved { .. } => self.refused || self.checks.is_empty(),
            Number::Asked { before, .. } => self.refused && before == NUMBERS_MAX,
        }
    }
}

fn reserve(customer: &str, number: u32) -> Sent<Reserve> {
    Reserve { customer: customer.to_owned() }.to(format!("account/{number}"))
}

fn release(customer: &str, number: u32) -> Sent<Release> {
    Release { customer: customer.to_owned() }.to(format!("account/{number}"))
}

fn unchecked(check: &str) -> String {
    format!("the {check} check could not be made")
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
