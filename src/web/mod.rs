//! What machines ask a station over HTTP: `/healthz` for supervisors, `/metrics` for Prometheus.
//! The only room that names axum and hyper.

mod connections;
mod metrics;

use std::io;
use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;

use crate::station::Vitals;

pub use connections::{CONNECTIONS_MAX, HEAD_MAX, REQUEST_MAX};

/// Why the pages are not served.
#[derive(Debug, thiserror::Error)]
pub enum WebError {
    /// Somebody else listens there, or this machine has no such address.
    #[error("cannot listen on {address}; write another `supervision.listen`, or stop who has it")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// No thread.
    #[error("cannot start the thread `web`")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
}

/// Listens on `address` from now on, on a thread of its own, until the program ends; the address
/// that it really has (port 0 takes a free one).
///
/// # Errors
/// [`WebError`]: nothing is served.
pub fn serve(address: SocketAddr, vitals: Vitals) -> Result<SocketAddr, WebError> {
    let thread = |source| WebError::Thread { source };
    let listen = |source| WebError::Listen { address, source };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(thread)?;
    let listener = runtime
        .block_on(tokio::net::TcpListener::bind(address))
        .map_err(listen)?;
    let bound = listener.local_addr().map_err(listen)?;
    let pages = Router::new()
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics_page))
        .with_state(vitals);
    std::thread::Builder::new()
        .name("web".to_owned())
        .spawn(move || runtime.block_on(connections::serve(listener, pages)))
        .map_err(thread)?;
    Ok(bound)
}

/// 200 while parts are inspected, 503 otherwise; the state as it is published.
async fn healthz(State(vitals): State<Vitals>) -> impl IntoResponse {
    let seen = vitals.seen();
    let code = if seen.takes_parts() {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    let json = [(header::CONTENT_TYPE, "application/json")];
    match seen.state.to_json() {
        Ok(text) => (code, json, text),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, json, error.to_string()),
    }
}

async fn metrics_page(State(vitals): State<Vitals>) -> impl IntoResponse {
    let text = [(header::CONTENT_TYPE, metrics::CONTENT_TYPE)];
    match metrics::page(&vitals.seen()) {
        Ok(page) => (StatusCode::OK, text, page),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, text, error.to_string()),
    }
}
