//! GitHub's webhooks as events: each delivery once, as it came, if its signature is right.
//!
//! | function | is a | takes | answers |
//! |---|---|---|---|
//! | `github` | ingress | `POST …/ingress/github` | `github.push`, `github.issues` and the others of [`Delivery`] |

pub mod delivery;
pub mod events;

retold::module!(delivery::github);
