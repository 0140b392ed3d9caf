//! Whether the name of a type tells somebody to do something.

/// Words that are orders, and nothing that has happened: `set` and `put` may be both.
const ORDERS: &str = "\
    accept activate add allocate apply approve archive assign authorize begin block book calculate call cancel capture change charge \
    check checkout clear close collect complete compute confirm convert copy create deactivate debit delete deliver deny disable \
    dispatch do download enable enqueue ensure execute export fetch finish fulfill generate get grant handle import initialize \
    insert invite invoke issue launch load lock make merge modify move notify open pack pause pay perform place post prepare print \
    process provision publish purge push recalculate receive refresh refund register reject release remind remove rename render renew \
    replace request resend reserve reset resolve restart restore resume retry return revoke run save schedule send ship sign start \
    stop store submit subscribe suspend sync synchronize take terminate transfer trigger unlock unsubscribe update upload validate \
    verify withdraw write";

/// `email.send`, `send-email`, `order.check-out.v2`: the last part, its version aside, begins with an order.
pub fn is_imperative(r#type: &str) -> bool {
    let parts = r#type.rsplit(['.', '/', ':']);
    let mut named = parts.skip_while(|part| is_version(part));
    let last = named.next().unwrap_or_default();
    let first_word = last.split(['-', '_']).next().unwrap_or_default();
    let word = lower_word(first_word);
    ORDERS.split_whitespace().any(|order| order == word)
}

fn is_version(part: &str) -> bool {
    let digits = part.strip_prefix('v').unwrap_or(part);
    !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The first word of one in camel case, in lower case.
fn lower_word(text: &str) -> String {
    let first = text.chars().take(1);
    let rest = text.chars().skip(1).take_while(|letter| !letter.is_uppercase());
    first.chain(rest).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_told_from_what_has_happened() {
        for order in ["email.send", "send-email", "SendEmail", "cart.check-out.v2", "com.example:order/cancel", "mail.send_now"] {
            assert!(is_imperative(order), "{order}");
        }
        for event in ["email.sent", "order.placed", "order.placed.v1", "EmailSent", "cart.item-added", "price.set", "sendgrid", "v2", ""] {
            assert!(!is_imperative(event), "{event}");
        }
    }
}
