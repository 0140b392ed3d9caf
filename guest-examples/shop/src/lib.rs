//! A shop: the shopping cart that everybody begins event sourcing with, and what comes after it.
//!
//! | function | is a | reads | answers |
//! |---|---|---|---|
//! | `cart` | aggregate | `cart.add-item`, `cart.remove-item`, `cart.check-out` | `cart.item-added`, `cart.item-removed`, `cart.checked-out` |
//! | `stock` | aggregate | `stock.receive`, `stock.reserve` | `stock.received`, `stock.reserved` |
//! | `pricing` | handler | `cart.checked-out` | `order.placed.v2` |
//! | `running-low` | handler | `stock.reserved` | `stock.ran-low` |
//! | `order-history` | view | `order.placed.v2` | rows; the queries `of-customer` and `one-order` |
//! | `order-placed-v2` | upcaster | `order.placed.v1` | `order.placed.v2` |

pub mod cart;
pub mod first_days;
pub mod history;
pub mod money;
pub mod order;
pub mod prices;
pub mod pricing;
pub mod stock;

use cart::Cart;
use first_days::order_placed_v2;
use history::{of_customer, one_order, order_history};
use stock::{Stock, running_low};

retold::module!(Cart, Stock, pricing::pricing, running_low, order_history, of_customer, one_order, order_placed_v2);
