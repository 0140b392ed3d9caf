//! The address a host listens on.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// A loopback address: until tokens are built, whoever reaches the port may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl FromStr for Listen {
    type Err = String;

    /// `127.0.0.1:7070`, `[::1]:7070` or `localhost:7070`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut addresses =
            text.to_socket_addrs().map_err(|error| format!("{error}; write an address and a port, such as 127.0.0.1:7070"))?;
        let address = addresses.next().ok_or("it names no address")?;
        if !address.ip().is_loopback() {
            return Err("anyone on the network could write there, as access tokens are not built yet; \
                 listen on 127.0.0.1 and put a proxy that checks its callers in front"
                .into());
        }
        Ok(Listen(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_is_listened_on_while_there_are_no_tokens() {
        for address in ["0.0.0.0:7070", "192.168.1.4:7070", "[::]:7070"] {
            let refusal = address.parse::<Listen>().unwrap_err();
            assert!(refusal.contains("tokens are not built yet"), "{address}: {refusal}");
        }
        for address in ["127.0.0.1:7070", "127.8.8.8:0", "[::1]:7070", "localhost:7070"] {
            assert!(address.parse::<Listen>().is_ok(), "{address}");
        }
    }

    #[test]
    fn a_forgotten_port_is_told() {
        assert!("127.0.0.1".parse::<Listen>().unwrap_err().contains("127.0.0.1:7070"));
    }
}
