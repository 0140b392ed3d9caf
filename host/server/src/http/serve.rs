//! The doors: connections are accepted, served and, in the end, let go.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use http::header::CONNECTION;
use http::{HeaderValue, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rustix::net::RecvFlags;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_rustls::server::TlsStream;

use super::body::Body;
use super::dispatch::respond;
use super::problem::Problem;
use super::problem_kinds as kinds;
use super::race::{First, race};
use super::shares::Share;
use super::site::{ServeOptions, Site};
use super::stalling::Stalling;
use super::tls::{Certificates, HANDSHAKE, keep_current};
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
/// Fails if signals can't be received; what it answers fails only if the listener does so for good.
pub fn serve(
    listener: TcpListener,
    host: Host,
    options: ServeOptions,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let renewing = options.tls.clone().map(keep_current).transpose()?;
    Ok(tokio::spawn(serve_until(shutdown, listener, Site::new(host, options), renewing)))
}

async fn serve_until(
    shutdown: impl Future<Output = ()>,
    listener: TcpListener,
    site: Arc<Site>,
    renewing: Option<JoinHandle<()>>,
) -> io::Result<()> {
    let places = Arc::new(Semaphore::new(site.options.connections_max));
    let builder = builder(&site.options);
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = match race(accept(&listener, &places), shutdown.as_mut()).await {
            First::One(accepted) => accepted,
            First::Other(()) => break,
        };
        match accepted {
            Ok((stream, peer, place)) => match site.shares.take(peer) {
                Some(share) => drop(tokio::spawn(connection(stream, peer, (place, share), builder.clone(), site.clone()))),
                None => {
                    site.counts.connections_refused.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(%peer, "a connection was closed: the address has as many as one may");
                }
            },
            Err(error) if is_for_good(&error) => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    renewing.inspect(|renewing| renewing.abort());
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

async fn connection(stream: TcpStream, peer: IpAddr, place: (OwnedSemaphorePermit, Share), builder: http1::Builder, site: Arc<Site>) {
    site.counts.connections.fetch_add(1, Ordering::Relaxed);
    site.counts.connections_open.fetch_add(1, Ordering::Relaxed);
    // Without it small answers wait for the client's acknowledgement of earlier ones.
    let _ = stream.set_nodelay(true);
    if speaks(&stream, &site).await {
        // In a place of its own: who never speaks doesn't take one.
        Box::pin(answer_all(stream, peer, builder, &site)).await;
    }
    site.counts.connections_open.fetch_sub(1, Ordering::Relaxed);
    drop(place);
}

/// Whether the client says something in time: of a request, its whole head. Until then it lies with the kernel and costs no
/// buffers.
async fn speaks(stream: &TcpStream, site: &Site) -> bool {
    let said = in_time(site, async {
        loop {
            let ready = stream.ready(Interest::READABLE).await?;
            let said = stream.try_io(Interest::READABLE, || {
                let mut head = [0; HEAD_BYTES_MAX];
                let (length, _) = rustix::net::recv(stream, &mut head, RecvFlags::PEEK)?;
                // Waits for more, unless the client has closed its side.
                let is_all = length == 0 || is_whole_head(&head[..length]) || ready.is_read_closed();
                if is_all { Ok(length > 0) } else { Err(io::ErrorKind::WouldBlock.into()) }
            });
            match said {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                said => return said,
            }
        }
    });
    matches!(said.await, Ok(true))
}

/// Whether there is nothing to wait for before these bytes are read as a request, or as TLS.
fn is_whole_head(bytes: &[u8]) -> bool {
    let first_line = bytes.split(|byte| *byte == b'\n').next().filter(|line| line.len() < bytes.len());
    let is_request = |line: &[u8]| line.trim_ascii_end().ends_with(b"HTTP/1.1") || line.trim_ascii_end().ends_with(b"HTTP/1.0");
    bytes.len() >= HEAD_BYTES_MAX
        || bytes.first() == Some(&HANDSHAKE)
        || first_line.is_some_and(|line| !is_request(line))
        || bytes.windows(2).any(|two| two == b"\n\n")
        || bytes.windows(3).any(|three| three == b"\n\r\n")
}

async fn answer_all(stream: TcpStream, peer: IpAddr, builder: http1::Builder, site: &Arc<Site>) {
    let result = match &site.options.tls {
        None => converse(Stalling::new(stream, site.options.stall_time_max), answering(site, peer), &builder, site).await,
        // In a place of its own: a conversation in the clear doesn't take one.
        Some(certificates) => Box::pin(answer_securely(stream, peer, certificates, &builder, site)).await,
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

fn answering(site: &Arc<Site>, peer: IpAddr) -> impl HttpService<Incoming, ResBody = Body, Error = Infallible, Future: Send> {
    service_fn(move |request| respond(site.clone(), peer, request))
}

async fn answer_securely(
    stream: TcpStream,
    peer: IpAddr,
    certificates: &Certificates,
    builder: &http1::Builder,
    site: &Arc<Site>,
) -> io::Result<()> {
    if in_time(site, begins_tls(&stream)).await? {
        let stream = in_time(site, secured(stream, certificates, site)).await?;
        return converse(stream, answering(site, peer), builder, site).await;
    }
    let service = service_fn(|_| std::future::ready(Ok::<_, Infallible>(spoken_in_the_clear())));
    converse(Stalling::new(stream, site.options.stall_time_max), service, builder, site).await
}

/// Answers requests until the client has no more, or the host stops.
async fn converse<S>(stream: impl AsyncRead + AsyncWrite + Unpin, service: S, builder: &http1::Builder, site: &Site) -> io::Result<()>
where
    S: HttpService<Incoming, ResBody = Body, Error = Infallible>,
{
    let mut stopping = site.host.stopping();
    let mut served = pin!(builder.serve_connection(TokioIo::new(stream), service));
    let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
    let result = match race(served.as_mut(), stop).await {
        First::One(result) => result,
        First::Other(()) => {
            served.as_mut().graceful_shutdown();
            served.await
        }
    };
    result.map_err(io::Error::other)
}

/// What comes before a request's head has as long as that, and ends with the host.
async fn in_time<T>(site: &Site, done: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let mut stopping = site.host.stopping();
    let stop = async { drop(stopping.wait_for(|stopping| *stopping).await) };
    match race(timeout(site.options.header_time_max, done), stop).await {
        First::One(done) => done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())),
        First::Other(()) => Err(io::ErrorKind::ConnectionAborted.into()),
    }
}

async fn begins_tls(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(stream.peek(&mut first).await? == 1 && first[0] == HANDSHAKE)
}

async fn secured(stream: TcpStream, certificates: &Certificates, site: &Site) -> io::Result<TlsStream<Stalling>> {
    certificates.acceptor().accept(Stalling::new(stream, site.options.stall_time_max)).await
}

/// Nothing of such a request was looked at; a token in it went over the network for all to read.
fn spoken_in_the_clear() -> Response<Body> {
    let detail = "this port speaks TLS: ask again at https://, and revoke a token that was sent in the clear";
    let mut response = Problem::new(&kinds::TLS_NEEDED, detail).into_response();
    response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::is_whole_head;

    #[test]
    fn a_head_is_waited_for_and_nothing_else_is_h1_h3() {
        for whole in
            ["GET / HTTP/1.1\r\nHost: a\r\n\r\n", "GET / HTTP/1.0\nHost: a\n\nmore", "GET / HTTP/1.1\nHost: a\n\r\n", "\n", "nonsense\r\n"]
        {
            assert!(is_whole_head(whole.as_bytes()), "{whole:?}");
        }
        for part in ["", "G", "GET / HTTP/1.1", "GET / HTTP/1.1\r\n", "GET / HTTP/1.1\r\nHost: a\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r"] {
            assert!(!is_whole_head(part.as_bytes()), "{part:?}");
        }
        assert!(is_whole_head(b"\x16\x03"), "TLS has no such head");
        assert!(is_whole_head(&[b'a'; super::HEAD_BYTES_MAX]), "it is too long already");
    }
}
