//! What the [shop](../shop) took in, every evening at six in Berlin, summer and winter.
//!
//! | function | is a | reads | answers |
//! |---|---|---|---|
//! | `daily-report` | handler with a schedule | `order.placed.v2`, `shop.evening-came` | `shop.day-reported` |

#[path = "../../shop/src/money.rs"]
pub mod money;
#[path = "../../shop/src/order.rs"]
pub mod order;
pub mod report;

retold::module!(report::daily_report);
