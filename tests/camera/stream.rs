//! A network stream that is read without pause: no old picture, and back after it broke off. Debian has
//! no RTSP server worth the packages, so the server here speaks Motion JPEG over HTTP; the reader is the
//! same `VideoCapture` by `FFmpeg`.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

use taktgate::domain::{Frame, PixelFormat, Reason, SizePx};
use taktgate::source::{FrameSource, Stream};
use taktgate::vision::encode_jpeg;

use crate::{PATIENCE, trigger};

const FRAME_EVERY: Duration = Duration::from_millis(20);
const SIZE: SizePx = SizePx {
    width_px: 64,
    height_px: 48,
};

/// Serves one client at a time; what it shows grows brighter with each `step`.
struct Server {
    port: u16,
    step: Arc<AtomicU8>,
    is_cut: Arc<AtomicBool>,
}

impl Server {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            step: Arc::new(AtomicU8::new(0)),
            is_cut: Arc::new(AtomicBool::new(false)),
        };
        let (step, is_cut) = (Arc::clone(&server.step), Arc::clone(&server.is_cut));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client that goes away ends its own stream.
                serve(client, &step, &is_cut).ok();
            }
        });
        server
    }

    fn url(&self) -> String {
        format!("http://127.0.0.1:{}/stream.mjpg", self.port)
    }
}

fn serve(mut client: TcpStream, step: &AtomicU8, is_cut: &AtomicBool) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _n_read = client.read(&mut request)?;
    let head = "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
    client.write_all(head.as_bytes())?;
    while !is_cut.load(Ordering::SeqCst) {
        let pixels = vec![step.load(Ordering::SeqCst) * 20; 64 * 48];
        let frame = Frame::new("cam", SIZE, PixelFormat::Gray8, pixels, Instant::now()).unwrap();
        let jpeg = encode_jpeg(&frame, 90).unwrap();
        let part = format!(
            "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
            jpeg.len()
        );
        client.write_all(part.as_bytes())?;
        client.write_all(&jpeg)?;
        client.write_all(b"\r\n")?;
        std::thread::park_timeout(FRAME_EVERY);
    }
    Ok(())
}

/// The step that a frame shows.
fn step_of(frame: &Frame) -> u8 {
    (frame.pixels()[0] + 10) / 20
}

#[test]
fn a_part_gets_a_picture_from_after_its_trigger_and_a_stream_that_broke_off_comes_back() {
    let server = Server::start();
    let mut stream = Stream::open("cam", &server.url(), Duration::ZERO).unwrap();
    for step in 1..=5 {
        // Nobody takes a picture for a while: what was sent meanwhile must not be the part's.
        std::thread::park_timeout(Duration::from_millis(150));
        server.step.store(step, Ordering::SeqCst);
        let frame = stream
            .capture(&trigger(), Instant::now() + PATIENCE)
            .unwrap();
        assert_eq!((step_of(&frame), frame.size()), (step, SIZE));
    }
    server.is_cut.store(true, Ordering::SeqCst);
    std::thread::park_timeout(Duration::from_millis(200));
    let error = stream.capture(&trigger(), Instant::now() + Duration::from_millis(300));
    let error = error.unwrap_err();
    assert_eq!(error.reason(), Reason::NoFrame);
    server.step.store(9, Ordering::SeqCst);
    server.is_cut.store(false, Ordering::SeqCst);
    let until = Instant::now() + PATIENCE;
    let back = loop {
        match stream.capture(&trigger(), Instant::now() + Duration::from_secs(2)) {
            Ok(frame) => break frame,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    };
    assert_eq!(step_of(&back), 9);
}

#[test]
fn an_address_where_nothing_streams_is_told_without_its_password() {
    let closed = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = format!("http://line:secret@{closed}/stream.mjpg");
    let error = Stream::open("cam", &url, Duration::ZERO)
        .err()
        .unwrap()
        .to_string();
    let error = error.replace(&closed.port().to_string(), "[PORT]");
    insta::assert_snapshot!(error, @"camera `cam`: `http://127.0.0.1:[PORT]/stream.mjpg` could not be opened as a video; does it exist, is the stream's address right?");
}
