//! The imports `context`, `state` and `webhook`: each call is counted, then answered by the engine's `Calls`.

use retold_engine::model::Position;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, WasmList, WasmStr};

use super::bindings::{Entry, EventDetails, Keys, Level, Values, Writes};
use super::call::{CallData, Held};
use super::interfaces;
use super::quotas::{Refusal, STATE_CALLS_PER_CALL_MAX};

pub(super) fn add_to_linker(linker: &mut Linker<CallData>) -> wasmtime::Result<()> {
    let mut context = linker.instance(interfaces::CONTEXT)?;
    context.func_wrap("details", details)?;
    context.func_wrap("log", log)?;
    let mut state = linker.instance(interfaces::STATE)?;
    state.func_wrap("get", state_get)?;
    state.func_wrap("put", state_put)?;
    state.func_wrap("delete", state_delete)?;
    state.func_wrap("get-many", state_get_many)?;
    state.func_wrap("write-many", state_write_many)?;
    state.func_wrap("scan", state_scan)?;
    linker.instance(interfaces::WEBHOOK)?.func_wrap("verify-hmac-sha256", verify_hmac_sha256)
}

type Store<'a> = StoreContextMut<'a, CallData>;

fn details(mut store: Store<'_>, (position,): (u64,)) -> wasmtime::Result<(EventDetails,)> {
    let data = store.data_mut();
    data.quotas.details()?;
    let event = data.calls().details(Position(position)).ok_or(Refusal::NotInBatch(position))?;
    Ok((event.into(),))
}

fn log(mut store: Store<'_>, (level, message): (Level, String)) -> wasmtime::Result<()> {
    Ok(store.data_mut().log(level.into(), &message)?)
}

fn state_get(mut store: Store<'_>, (event, key): (u32, WasmStr)) -> wasmtime::Result<(Option<Vec<u8>>,)> {
    let key = held_key(&mut store, &key)?;
    let data = store.data_mut();
    data.quotas.state_call()?;
    let value = data.calls().state_get(event, &key).map_err(Refusal::State)?;
    data.quotas.state_read(value.as_ref().map_or(0, Vec::len))?;
    data.held.key = key;
    Ok((value,))
}

fn state_put(mut store: Store<'_>, (event, key, value): (u32, WasmStr, WasmList<u8>)) -> wasmtime::Result<()> {
    let key = held_key(&mut store, &key)?;
    let value = held_value(&mut store, &value);
    let data = store.data_mut();
    data.quotas.state_call()?;
    data.calls().state_put(event, &key, &value).map_err(Refusal::State)?;
    data.held = Held { key, value };
    Ok(())
}

fn state_delete(mut store: Store<'_>, (event, key): (u32, WasmStr)) -> wasmtime::Result<()> {
    let key = held_key(&mut store, &key)?;
    let data = store.data_mut();
    data.quotas.state_call()?;
    data.calls().state_delete(event, &key).map_err(Refusal::State)?;
    data.held.key = key;
    Ok(())
}

/// Values of several keys: no more follow once there are so many bytes of them.
const VALUES_BYTES: usize = 256 << 10;

fn state_get_many(mut store: Store<'_>, (keys,): (Keys,)) -> wasmtime::Result<(Values,)> {
    let data = store.data_mut();
    let (mut values, mut begin) =
        (Values { each: Vec::with_capacity(keys.each.len().min(STATE_CALLS_PER_CALL_MAX)), ..Values::default() }, 0);
    for key in keys.each {
        data.quotas.state_call()?;
        let name = part(&keys.names, &mut begin, key.end)?;
        let value = data.calls().state_get(key.event, name).map_err(Refusal::State)?;
        data.quotas.state_read(value.as_ref().map_or(0, Vec::len))?;
        values.each.push(value.map(|value| {
            values.bytes.extend_from_slice(&value);
            values.bytes.len() as u32
        }));
        if values.bytes.len() >= VALUES_BYTES {
            break;
        }
    }
    Ok((values,))
}

fn state_write_many(mut store: Store<'_>, (writes,): (Writes,)) -> wasmtime::Result<()> {
    let data = store.data_mut();
    let (mut key_begin, mut value_begin) = (0, 0);
    for write in writes.each {
        data.quotas.state_call()?;
        let key = part(&writes.names, &mut key_begin, write.key_end)?;
        let written = match write.value_end {
            Some(end) => {
                let value = writes.bytes.get(value_begin..end as usize).ok_or(Refusal::NoSuchPart(end))?;
                value_begin = end as usize;
                data.calls().state_put(write.event, key, value)
            }
            None => data.calls().state_delete(write.event, key),
        };
        written.map_err(Refusal::State)?;
    }
    Ok(())
}

/// The part of a piece that ends here; the next one begins there.
fn part<'a>(names: &'a str, begin: &mut usize, end: u32) -> Result<&'a str, Refusal> {
    let name = names.get(*begin..end as usize).ok_or(Refusal::NoSuchPart(end))?;
    *begin = end as usize;
    Ok(name)
}

/// The key out of the guest's memory, in memory that the store keeps for it: a handler with state may come here
/// twice for each event.
fn held_key(store: &mut Store<'_>, key: &WasmStr) -> wasmtime::Result<String> {
    let mut held = std::mem::take(&mut store.data_mut().held.key);
    held.clear();
    held.push_str(&key.to_str(&*store)?);
    Ok(held)
}

fn held_value(store: &mut Store<'_>, value: &WasmList<u8>) -> Vec<u8> {
    let mut held = std::mem::take(&mut store.data_mut().held.value);
    held.clear();
    held.extend_from_slice(value.as_le_slice(&*store));
    held
}

/// Name of the secret, message, signature.
type VerifyParams = (String, Vec<u8>, Vec<u8>);

fn verify_hmac_sha256(mut store: Store<'_>, (secret, message, signature): VerifyParams) -> wasmtime::Result<(bool,)> {
    let data = store.data_mut();
    data.quotas.signature(message.len())?;
    Ok((data.calls().verify_hmac_sha256(&secret, &message, &signature),))
}

type ScanParams = (u32, String, Option<String>, u32);

fn state_scan(mut store: Store<'_>, (event, prefix, after, limit): ScanParams) -> wasmtime::Result<(Vec<Entry>,)> {
    let data = store.data_mut();
    data.quotas.state_call()?;
    let rows = data.calls().state_scan(event, &prefix, after.as_deref(), limit).map_err(Refusal::State)?;
    data.quotas.state_read(rows.iter().map(|(key, value)| key.len() + value.len()).sum())?;
    Ok((rows.into_iter().map(|(key, value)| Entry { key, value }).collect(),))
}
