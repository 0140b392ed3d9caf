//! Why a consumer's member gets nothing, or why what it said is not taken.

use crate::model::{Position, limits};
use crate::store::StoreError;

#[derive(Clone, Debug, thiserror::Error)]
pub enum ConsumerRefused {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("there is no such lease: it was never given, or is long over; fetch again")]
    UnknownLease,
    #[error("the lease is {owner}'s, and {member} is not {owner}: a lease is for the member that fetched")]
    OthersLease { owner: String, member: String },
    #[error("the lease is over: what it was for is given again; fetch again")]
    LeaseOver,
    #[error("the lease is over, and some of what it was for was given to another or set aside: acknowledge by positions, or fetch again")]
    LeaseLost,
    #[error("the event at position {0} is with another by now, as its lease was over: its new holder has to acknowledge it")]
    HeldByAnother(Position),
    #[error("the event at position {0} was never given under this lease: acknowledge only what was fetched")]
    NeverGiven(Position),
    #[error("the event at position {0} was set aside after its last attempt: release it, or skip it")]
    IsParked(Position),
    #[error("no event at position {0} is set aside: GET …/parked lists those that are")]
    NotParked(Position),
    #[error(
        "the event at position {first} of the same subject was set aside before the one at {position}: release that one first, or the whole subject"
    )]
    NotFirst { position: Position, first: Position },
    #[error("{found} members have fetched lately, and at most {max} may: give members names that stay", max = limits::CONSUMER_MEMBERS_MAX)]
    TooManyMembers { found: usize },
}
