//! The doors: connections are accepted, served and, in the end, let go.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::dispatch::respond;
use super::race::{First, race};
use super::site::{ServeOptions, Site};
use super::stalling::Stalling;
use crate::drive::Host;

/// A request's head. More is answered with 431.
const HEADERS_MAX: usize = 64;
const HEAD_BYTES_MAX: usize = 16 << 10;
/// What is read and written at once for a connection.
const BUFFER_BYTES: usize = 64 << 10;
/// After a failure to accept: file descriptors may be free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves HTTP/1.1 until `shutdown` resolves; then requests under way are finished, within
/// `options.grace`. HTTP/2 isn't offered: it needs TLS in browsers, and its floods need watching.
///
/// Fails only if the listener does so for good.
pub async fn serve(listener: TcpListener, host: Host, options: ServeOptions, shutdown: impl Future<Output = ()>) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(options.connections_max));
    let site = Site::new(host, options);
    let builder = builder(&site.options);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = match race(accept(&listener, &places), shutdown.as_mut()).await {
            First::One(accepted) => accepted,
            First::Other(()) => break,
        };
        match accepted {
            Ok((stream, peer, place)) => {
                tokio::spawn(connection(stream, peer, place, builder.clone(), site.clone()));
            }
            Err(error) if is_for_good(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    site.host.begin_stop();
    // Every connection gives its place back when it ends.
    let all_places = u32::try_from(site.options.connections_max).unwrap_or(u32::MAX);
    if timeout(site.options.grace, places.acquire_many(all_places)).await.is_err() {
        tracing::warn!("some requests were not finished in time and are cut off; what was acknowledged stands");
    }
    Ok(())
}

fn builder(options: &ServeOptions) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_time_max)
        .max_headers(HEADERS_MAX)
        .max_header_size(HEAD_BYTES_MAX)
        .max_buf_size(BUFFER_BYTES)
        .half_close(false)
        .pipeline_flush(false)
        .keep_alive(true);
    builder
}

/// A place first: a client that has none waits in the kernel's queue.
async fn accept(listener: &TcpListener, places: &Arc<Semaphore>) -> io::Result<(TcpStream, IpAddr, OwnedSemaphorePermit)> {
    let place = places.clone().acquire_owned().await.map_err(io::Error::other)?;
    let (stream, peer) = listener.accept().await?;
    Ok((stream, peer.ip(), place))
}

/// Whether accepting will fail again however long one waits.
fn is_for_good(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::NotConnected | io::ErrorKind::Unsupported)
}

async fn connection(stream: TcpStream, peer: IpAddr, place: OwnedSemaphorePermit, builder: http1::Builder, site: Arc<Site>) {
    site.counts.connections.fetch_add(1, Ordering::Relaxed);
    site.counts.connections_open.fetch_add(1, Ordering::Relaxed);
    // Without it small answers wait for the client's acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    let stream = TokioIo::new(Stalling::new(stream, site.options.stall_time_max));
    let service = service_fn(|request| respond(site.clone(), peer, request));
    let mut stopping = site.host.stopping();
    let mut served = pin!(builder.serve_connection(stream, service));
    let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
    let result = match race(served.as_mut(), stop).await {
        First::One(result) => result,
        First::Other(()) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
    site.counts.connections_open.fetch_sub(1, Ordering::Relaxed);
    drop(place);
}
