//! The address a host listens on.

use std::net::{SocketAddr, ToSocketAddrs};
use std::str::FromStr;

/// Beyond loopback only with access tokens: without one, whoever reaches the port may do everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen(pub SocketAddr);

impl Listen {
    pub fn is_beyond_this_machine(self) -> bool {
        !self.0.ip().is_loopback()
    }
}

impl FromStr for Listen {
    type Err = String;

    /// `127.0.0.1:7070`, `[::1]:7070` or `localhost:7070`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut addresses =
            text.to_socket_addrs().map_err(|error| format!("{error}; write an address and a port, such as 127.0.0.1:7070"))?;
        let address = addresses.next().ok_or("it names no address")?;
        Ok(Listen(address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stays_on_this_machine_is_listened_on_without_tokens_k7_h22() {
        for address in ["0.0.0.0:7070", "192.168.1.4:7070", "[::]:7070", "[2001:db8::1]:0"] {
            assert!(address.parse::<Listen>().expect("an address").is_beyond_this_machine(), "{address}");
        }
        for address in ["127.0.0.1:7070", "127.8.8.8:0", "[::1]:7070", "localhost:7070"] {
            assert!(!address.parse::<Listen>().expect("an address").is_beyond_this_machine(), "{address}");
        }
    }

    #[test]
    fn a_forgotten_port_is_told() {
        assert!("127.0.0.1".parse::<Listen>().unwrap_err().contains("127.0.0.1:7070"));
    }
}
