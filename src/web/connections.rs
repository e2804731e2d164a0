//! Who is connected to the pages: so many at a time, each for one request and so long. Whoever holds
//! connections open takes none of the descriptors that records and broker need, and keeps nobody out.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::Router;
use axum::serve::Listener;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tracing::debug;

/// Connections at a time; one more and the oldest is closed, so that nobody waits for the idle ones.
pub const CONNECTIONS_MAX: usize = 16;

/// A connection's whole life: the request's head, its answer, the end.
pub const REQUEST_MAX: Duration = Duration::from_secs(5);

/// Bytes of a request's head; as few as hyper allows.
pub const HEAD_MAX: usize = 8 * 1024;

/// Serves whoever comes.
pub(super) async fn serve(mut listener: TcpListener, pages: Router) -> Infallible {
    let mut open: VecDeque<JoinHandle<()>> = VecDeque::with_capacity(CONNECTIONS_MAX);
    loop {
        // axum's way to accept waits a second where the system has no descriptor left.
        let (stream, _) = Listener::accept(&mut listener).await;
        open.retain(|connection| !connection.is_finished());
        if CONNECTIONS_MAX <= open.len()
            && let Some(oldest) = open.pop_front()
        {
            debug!(
                limit = CONNECTIONS_MAX,
                "the oldest connection is closed for a new one"
            );
            oldest.abort();
            // Its socket is closed when the task is gone, and not before.
            drop(oldest.await);
        }
        open.push_back(tokio::spawn(connection(stream, pages.clone())));
    }
}

async fn connection(stream: TcpStream, pages: Router) {
    let serving = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(pages));
    match timeout(REQUEST_MAX, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => debug!(%error, "a request to the pages failed"),
        Err(_) => debug!("a request to the pages took too long"),
    }
}
