//! A TCP proxy before the broker that can do what networks do: delay, stall, go dead half open, cut.

use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How often a connection looks whether the weather has changed.
const LOOK_EVERY: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy, PartialEq)]
#[repr(u8)]
pub(crate) enum Weather {
    /// Everything goes through.
    Fair,
    /// Nothing goes through, nothing is closed: a cable that was pulled, a firewall that forgot.
    Dead,
    /// Connections are cut, and new ones too.
    Closed,
}

pub(crate) struct Proxy {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    weather: AtomicU8,
    delay_ms: AtomicU64,
    open: Mutex<Vec<TcpStream>>,
}

impl Shared {
    fn is(&self, weather: Weather) -> bool {
        self.weather.load(Ordering::SeqCst) == weather as u8
    }
}

impl Proxy {
    pub(crate) fn start(to_port: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            weather: AtomicU8::new(Weather::Fair as u8),
            delay_ms: AtomicU64::new(0),
            open: Mutex::default(),
        });
        let of_listener = Arc::clone(&shared);
        std::thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                // A closed connection needs no reason; the client sees that it is closed.
                if !of_listener.is(Weather::Closed) {
                    connect(near, to_port, &of_listener);
                }
            }
        });
        Self { port, shared }
    }

    pub(crate) fn set(&self, weather: Weather) {
        self.shared.weather.store(weather as u8, Ordering::SeqCst);
        if weather == Weather::Closed {
            self.cut();
        }
    }

    /// Every piece waits so long on its way, in both directions.
    pub(crate) fn delay(&self, delay: Duration) {
        let delay_ms = u64::try_from(delay.as_millis()).unwrap();
        self.shared.delay_ms.store(delay_ms, Ordering::SeqCst);
    }

    /// Closes the connections that stand.
    pub(crate) fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

fn connect(near: TcpStream, to_port: u16, shared: &Arc<Shared>) {
    let Ok(far) = TcpStream::connect((Ipv4Addr::LOCALHOST, to_port)) else {
        return;
    };
    near.set_nodelay(true).unwrap();
    far.set_nodelay(true).unwrap();
    let kept = [near.try_clone().unwrap(), far.try_clone().unwrap()];
    shared.open.lock().unwrap().extend(kept);
    let (near_again, far_again) = (near.try_clone().unwrap(), far.try_clone().unwrap());
    for (from, to) in [(near, far), (far_again, near_again)] {
        let shared = Arc::clone(shared);
        std::thread::spawn(move || pump(from, to, &shared));
    }
}

/// Carries bytes one way until either side closes.
fn pump(mut from: TcpStream, mut to: TcpStream, shared: &Shared) {
    from.set_read_timeout(Some(LOOK_EVERY)).unwrap();
    let mut piece = [0; 16 * 1024];
    loop {
        if shared.is(Weather::Dead) {
            pause(LOOK_EVERY);
            continue;
        }
        let length = match from.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => length,
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                continue;
            }
            Err(_) => break,
        };
        pause(Duration::from_millis(
            shared.delay_ms.load(Ordering::SeqCst),
        ));
        while shared.is(Weather::Dead) {
            pause(LOOK_EVERY);
        }
        if to.write_all(&piece[..length]).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}

/// Waits; nobody wakes it.
pub(crate) fn pause(time: Duration) {
    let until = Instant::now() + time;
    while let Some(left) = until.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}
