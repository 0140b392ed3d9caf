//! Every WASI interface that is offered, one line each. The list of names is in `interfaces`.

use wasmtime::component::{HasData, Linker, ResourceTable};
use wasmtime_wasi::WasiView;
use wasmtime_wasi::cli::{WasiCli, WasiCliView};
use wasmtime_wasi::filesystem::{WasiFilesystem, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random, sockets, sync};
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView};

use super::clock::Clock;
use super::random::{Chance, ChanceView};
use crate::wasm::call::CallData;

struct Streams;

impl HasData for Streams {
    type Data<'a> = &'a mut ResourceTable;
}

/// Clocks and random numbers are ours, and so is what the standard streams write to; the rest is
/// wasmtime-wasi's on a context that has nothing in it.
pub(in crate::wasm) fn add_to_linker(linker: &mut Linker<CallData>) -> wasmtime::Result<()> {
    let l = linker;
    clocks::wall_clock::add_to_linker::<_, Clock>(l, CallData::clock)?;
    clocks::monotonic_clock::add_to_linker::<_, Clock>(l, CallData::clock)?;
    random::random::add_to_linker::<_, Chance>(l, |data| ChanceView(data))?;
    random::insecure::add_to_linker::<_, Chance>(l, |data| ChanceView(data))?;
    random::insecure_seed::add_to_linker::<_, Chance>(l, |data| ChanceView(data))?;

    sync::io::error::add_to_linker::<_, Streams>(l, |data| data.ctx().table)?;
    sync::io::poll::add_to_linker::<_, Streams>(l, |data| data.ctx().table)?;
    sync::io::streams::add_to_linker::<_, Streams>(l, |data| data.ctx().table)?;

    cli::environment::add_to_linker::<_, WasiCli>(l, CallData::cli)?;
    cli::exit::add_to_linker::<_, WasiCli>(l, CallData::cli)?;
    cli::stdin::add_to_linker::<_, WasiCli>(l, CallData::cli)?;
    cli::stdout::add_to_linker::<_, WasiCli>(l, CallData::cli)?;
    cli::stderr::add_to_linker::<_, WasiCli>(l, CallData::cli)?;
    cli::terminal_input::add_to_linker::<_, WasiCli>(l, CallData::cli)?;
    cli::terminal_output::add_to_linker::<_, WasiCli>(l, CallData::cli)?;
    cli::terminal_stdin::add_to_linker::<_, WasiCli>(l, CallData::cli)?;
    cli::terminal_stdout::add_to_linker::<_, WasiCli>(l, CallData::cli)?;
    cli::terminal_stderr::add_to_linker::<_, WasiCli>(l, CallData::cli)?;

    filesystem::preopens::add_to_linker::<_, WasiFilesystem>(l, CallData::filesystem)?;
    sync::filesystem::types::add_to_linker::<_, WasiFilesystem>(l, CallData::filesystem)?;

    sockets::instance_network::add_to_linker::<_, WasiSockets>(l, CallData::sockets)?;
    sockets::network::add_to_linker::<_, WasiSockets>(l, &Default::default(), CallData::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<_, WasiSockets>(l, CallData::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<_, WasiSockets>(l, CallData::sockets)?;
    sync::sockets::tcp::add_to_linker::<_, WasiSockets>(l, CallData::sockets)?;
    sync::sockets::udp_create_socket::add_to_linker::<_, WasiSockets>(l, CallData::sockets)?;
    sync::sockets::udp::add_to_linker::<_, WasiSockets>(l, CallData::sockets)?;
    Ok(())
}
