//! A network stream that is read without pause: no old picture, and back after it broke off. Debian has
//! no RTSP server worth the packages, so the server here speaks Motion JPEG over HTTP; the reader is the
//! same `VideoCapture` by `FFmpeg`.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use taktgate::domain::{Frame, PixelFormat, Reason, SizePx};
use taktgate::source::{FrameSource, Stream};
use taktgate::vision::encode_jpeg;

use crate::mjpeg::Server;
use crate::{PATIENCE, trigger};

const SIZE: SizePx = SizePx {
    width_px: 64,
    height_px: 48,
};

/// A picture that is brighter with each step.
fn jpeg(step: u8) -> Vec<u8> {
    let pixels = vec![step * 20; 64 * 48];
    let frame = Frame::new("cam", SIZE, PixelFormat::Gray8, pixels, Instant::now()).unwrap();
    encode_jpeg(&frame, 90).unwrap()
}

/// The step that a frame shows.
fn step_of(frame: &Frame) -> u8 {
    (frame.pixels()[0] + 10) / 20
}

#[test]
fn a_part_gets_a_picture_from_after_its_trigger_and_a_stream_that_broke_off_comes_back() {
    let server = Server::start(jpeg(0));
    let mut stream = Stream::open("cam", &server.url(), Duration::ZERO).unwrap();
    for step in 1..=5 {
        // Nobody takes a picture for a while: what was sent meanwhile must not be the part's.
        std::thread::park_timeout(Duration::from_millis(150));
        server.show(Some(jpeg(step)));
        let frame = stream
            .capture(&trigger(), Instant::now() + PATIENCE)
            .unwrap();
        assert_eq!((step_of(&frame), frame.size()), (step, SIZE));
    }
    server.show(None);
    std::thread::park_timeout(Duration::from_millis(200));
    let error = stream.capture(&trigger(), Instant::now() + Duration::from_millis(300));
    let error = error.unwrap_err();
    assert_eq!(error.reason(), Reason::NoFrame);
    server.show(Some(jpeg(9)));
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
