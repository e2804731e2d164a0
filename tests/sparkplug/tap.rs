//! A tap on the wire between the node and the broker: it reads every byte that the node writes.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use jiff::Timestamp;

use crate::payload::Payload;

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A packet that the node wrote.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// The count of its connection.
    pub(crate) connection: usize,
    /// When the tap saw it, in milliseconds since 1970 UTC.
    pub(crate) at_ms: u64,
    pub(crate) kind: Kind,
}

#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Connect(Connect),
    Subscribe(Vec<(String, u8)>),
    Publish(Publish),
    PubAck,
    Disconnect,
    Other,
    /// The connection is closed.
    Closed,
}

/// CONNECT, byte by byte.
#[derive(Debug, Clone)]
pub(crate) struct Connect {
    /// 4 is MQTT 3.1.1.
    pub(crate) level: u8,
    pub(crate) flags: u8,
    pub(crate) will_topic: String,
    pub(crate) will: Payload,
}

impl Connect {
    pub(crate) const CLEAN: u8 = 0x02;
    pub(crate) const WILL: u8 = 0x04;
    pub(crate) const WILL_QOS: u8 = 0x18;
    pub(crate) const WILL_QOS_1: u8 = 0x08;
    pub(crate) const WILL_RETAIN: u8 = 0x20;
}

#[derive(Debug, Clone)]
pub(crate) struct Publish {
    pub(crate) topic: String,
    pub(crate) qos: u8,
    pub(crate) is_retained: bool,
    pub(crate) bytes: Vec<u8>,
    pub(crate) payload: Payload,
}

impl Publish {
    /// `NBIRTH`, `DDATA` ...
    pub(crate) fn verb(&self) -> &str {
        self.topic.split('/').nth(2).unwrap_or_default()
    }
}

#[derive(Default)]
struct Shared {
    log: Mutex<(Vec<Packet>, Vec<TcpStream>)>,
    news: Condvar,
    /// New connections are closed after their first packet, as if the broker were starting or stopping.
    is_away: AtomicBool,
    /// What the node writes is read and not passed on, as if the network had swallowed it.
    swallows: AtomicBool,
    n_swallowed: AtomicUsize,
    broker_port: AtomicU16,
}

/// The tap; the node connects to its port.
pub(crate) struct Tap {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

impl Tap {
    pub(crate) fn start(broker_port: u16) -> Self {
        Self::start_at(0, broker_port)
    }

    pub(crate) fn start_at(port: u16, broker_port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared::default());
        shared.broker_port.store(broker_port, Ordering::Relaxed);
        let inner = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (connection, node) in listener.incoming().map_while(Result::ok).enumerate() {
                serve(&inner, connection, node);
            }
        });
        Self { port, shared }
    }

    /// All that the node wrote so far.
    pub(crate) fn log(&self) -> Vec<Packet> {
        self.shared.log.lock().unwrap().0.clone()
    }

    /// Waits until `find` finds something in all that the node wrote.
    pub(crate) fn wait<T>(&self, what: &str, find: impl Fn(&[Packet]) -> Option<T>) -> T {
        let until = Instant::now() + PATIENCE;
        let mut log = self.shared.log.lock().unwrap();
        loop {
            if let Some(found) = find(&log.0) {
                return found;
            }
            let left = until.saturating_duration_since(Instant::now());
            let newest = log.0.iter().rev().take(8).collect::<Vec<_>>();
            assert!(
                !left.is_zero(),
                "no {what}; the newest of {} packets first: {newest:#?}",
                log.0.len()
            );
            log = self.shared.news.wait_timeout(log, left).unwrap().0;
        }
    }

    /// Waits for so many messages of one kind.
    pub(crate) fn wait_for(&self, verb: &str, count: usize) -> Publish {
        self.wait(verb, |log| {
            let mut found = publishes(log).filter(|publish| publish.verb() == verb);
            found.nth(count - 1).cloned()
        })
    }

    /// Waits until the newest connection is closed.
    pub(crate) fn wait_for_end(&self) {
        self.wait("end", |log| {
            let newest = log.iter().map(|packet| packet.connection).max()?;
            let is_end = |packet: &Packet| {
                packet.connection == newest && matches!(packet.kind, Kind::Closed)
            };
            log.iter().any(is_end).then_some(())
        });
    }

    pub(crate) fn take_broker_away(&self) {
        self.shared.is_away.store(true, Ordering::SeqCst);
        self.cut();
    }

    pub(crate) fn bring_broker_back(&self) {
        self.shared.is_away.store(false, Ordering::SeqCst);
    }

    pub(crate) fn swallow(&self) {
        self.shared.swallows.store(true, Ordering::SeqCst);
    }

    /// Waits until so many packets were swallowed.
    pub(crate) fn wait_for_swallowed(&self, count: usize) {
        let n_swallowed = || self.shared.n_swallowed.load(Ordering::SeqCst);
        self.wait("swallowed packet", |_| {
            (count <= n_swallowed()).then_some(())
        });
    }

    /// Breaks the connections that stand; the next one swallows nothing.
    pub(crate) fn cut(&self) {
        self.shared.swallows.store(false, Ordering::SeqCst);
        for stream in self.shared.log.lock().unwrap().1.drain(..) {
            // One that has ended already needs no cut.
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

pub(crate) fn publishes(log: &[Packet]) -> impl DoubleEndedIterator<Item = &Publish> {
    log.iter().filter_map(|packet| match &packet.kind {
        Kind::Publish(publish) => Some(publish),
        _ => None,
    })
}

fn serve(shared: &Arc<Shared>, connection: usize, node: TcpStream) {
    node.set_nodelay(true).unwrap();
    let mut broker = None;
    if !shared.is_away.load(Ordering::SeqCst) {
        let port = shared.broker_port.load(Ordering::Relaxed);
        let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.set_nodelay(true).unwrap();
        let (back_from, back_to) = (stream.try_clone().unwrap(), node.try_clone().unwrap());
        std::thread::spawn(move || pass_back(back_from, back_to));
        let both = [node.try_clone().unwrap(), stream.try_clone().unwrap()];
        shared.log.lock().unwrap().1.extend(both);
        broker = Some(stream);
    }
    let shared = Arc::clone(shared);
    std::thread::spawn(move || pass_on(&shared, connection, node, broker.as_ref()));
}

fn pass_back(mut from: TcpStream, mut to: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
    to.shutdown(Shutdown::Both).ok();
}

fn pass_on(shared: &Shared, connection: usize, mut from: TcpStream, to: Option<&TcpStream>) {
    let tell = |kind| {
        let at_ms = u64::try_from(Timestamp::now().as_millisecond()).unwrap();
        let packet = Packet {
            connection,
            at_ms,
            kind,
        };
        shared.log.lock().unwrap().0.push(packet);
        shared.news.notify_all();
    };
    let (mut pending, mut buffer) = (Vec::new(), [0; 4096]);
    'open: while let Ok(length @ 1..) = from.read(&mut buffer) {
        pending.extend(&buffer[..length]);
        while let Some((header, body, used)) = split(&pending) {
            let kind = read(header, body);
            // Told before it is passed on, so that nobody hears of it before the log has it.
            if shared.swallows.load(Ordering::SeqCst) {
                shared.n_swallowed.fetch_add(1, Ordering::SeqCst);
                shared.news.notify_all();
            } else {
                tell(kind);
                let passed = to.map(|mut to| to.write_all(&pending[..used]));
                if !matches!(passed, Some(Ok(()))) {
                    break 'open;
                }
            }
            pending.drain(..used);
        }
    }
    for stream in to.into_iter().chain([&from]) {
        stream.shutdown(Shutdown::Both).ok();
    }
    tell(Kind::Closed);
}

/// The first packet of `bytes`, if it is whole: first byte, body, length of both.
fn split(bytes: &[u8]) -> Option<(u8, &[u8], usize)> {
    let (mut length, mut shift) = (0, 0);
    for (index, byte) in bytes.iter().enumerate().skip(1) {
        length |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let end = index + 1 + length;
            return Some((bytes[0], bytes.get(index + 1..end)?, end));
        }
    }
    None
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length);
        self.0 = rest;
        taken
    }

    /// Two bytes of length, then so many bytes.
    fn block(&mut self) -> &'a [u8] {
        let length = u16::from_be_bytes(self.bytes(2).try_into().unwrap());
        self.bytes(length.into())
    }

    fn text(&mut self) -> String {
        String::from_utf8(self.block().to_vec()).unwrap()
    }
}

fn read(header: u8, body: &[u8]) -> Kind {
    let mut cursor = Cursor(body);
    match header >> 4 {
        1 => {
            assert_eq!(cursor.text(), "MQTT");
            let [level, flags] = cursor.bytes(2).try_into().unwrap();
            cursor.bytes(2);
            // The client's name, and its length.
            cursor.text();
            let will_topic = cursor.text();
            let will = Payload::read(cursor.block()).unwrap();
            Kind::Connect(Connect {
                level,
                flags,
                will_topic,
                will,
            })
        }
        3 => {
            let qos = (header >> 1) & 3;
            let topic = cursor.text();
            if qos != 0 {
                cursor.bytes(2);
            }
            Kind::Publish(Publish {
                topic,
                qos,
                is_retained: header & 1 != 0,
                bytes: cursor.0.to_vec(),
                payload: Payload::read(cursor.0).unwrap(),
            })
        }
        4 => Kind::PubAck,
        8 => {
            cursor.bytes(2);
            let mut filters = Vec::new();
            while !cursor.0.is_empty() {
                filters.push((cursor.text(), cursor.bytes(1)[0]));
            }
            Kind::Subscribe(filters)
        }
        14 => Kind::Disconnect,
        _ => Kind::Other,
    }
}
