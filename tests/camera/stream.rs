//! A network stream that is read without pause: no old picture, and back after it broke off; Motion JPEG
//! over HTTP, and over RTSP with a password.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use taktgate::domain::{Frame, PixelFormat, Reason, SizePx};
use taktgate::source::{FrameSource, Stream};
use taktgate::vision::encode_jpeg;

use crate::rtsp::Carrier;
use crate::{PATIENCE, assert_near, mjpeg, rgb, rtsp, trigger};

const SIZE: SizePx = SizePx {
    width_px: 64,
    height_px: 48,
};
const LOGIN: &str = "line:secret";

/// A picture with a pattern that is brighter with each step.
fn jpeg(step: u8) -> Vec<u8> {
    let pixel = |at: usize| {
        let pattern = u8::try_from(at / 3 * 7 % 16).unwrap();
        step * 20 + pattern
    };
    let pixels = (0..64 * 48 * 3).map(pixel).collect();
    let frame = Frame::new("cam", SIZE, PixelFormat::Bgr8, pixels, Instant::now()).unwrap();
    encode_jpeg(&frame, 90).unwrap()
}

/// The frame shows what another reader sees in the JPEG of this step.
fn assert_shows(frame: &Frame, step: u8) {
    assert_eq!(frame.size(), SIZE);
    let expected = image::load_from_memory(&jpeg(step)).unwrap().into_rgb8();
    let expected: Vec<[u8; 3]> = expected.pixels().map(|pixel| pixel.0).collect();
    assert_near(&rgb(frame), &expected, 4);
}

/// Reads a camera that shows what `show` is given, none when it is cut.
fn check(url: &str, show: impl Fn(Option<Vec<u8>>)) {
    let mut stream = Stream::open("cam", url, Duration::ZERO).unwrap();
    for step in 1..=5 {
        // Nobody takes a picture for a while: what was sent meanwhile must not be the part's.
        std::thread::park_timeout(Duration::from_millis(150));
        show(Some(jpeg(step)));
        let frame = stream
            .capture(&trigger(), Instant::now() + PATIENCE)
            .unwrap();
        assert_shows(&frame, step);
        let origin = frame.origin.clone().unwrap();
        assert!(!origin.contains("secret"), "{origin}");
    }
    show(None);
    std::thread::park_timeout(Duration::from_millis(200));
    let error = stream.capture(&trigger(), Instant::now() + Duration::from_millis(300));
    let error = error.unwrap_err();
    assert_eq!(error.reason(), Reason::NoFrame);
    assert!(!error.to_string().contains("secret"), "{error}");
    show(Some(jpeg(9)));
    let until = Instant::now() + PATIENCE;
    let back = loop {
        match stream.capture(&trigger(), Instant::now() + Duration::from_secs(2)) {
            Ok(frame) => break frame,
            Err(error) => assert!(Instant::now() < until, "{error}"),
        }
    };
    assert_shows(&back, 9);
}

fn over_rtsp(carrier: Carrier) {
    let server = rtsp::Server::start(jpeg(0), carrier, LOGIN);
    let url = format!("rtsp://{LOGIN}@127.0.0.1:{}/stream1", server.port);
    check(&url, |jpeg| server.show(jpeg));
}

#[test]
fn a_part_gets_a_picture_from_after_its_trigger_and_a_stream_that_broke_off_comes_back() {
    let server = mjpeg::Server::start(jpeg(0));
    check(&server.url(), |jpeg| server.show(jpeg));
}

#[test]
fn rtsp_over_tcp_gives_each_part_its_picture_and_comes_back() {
    over_rtsp(Carrier::Tcp);
}

#[test]
fn rtsp_of_a_camera_that_refuses_tcp_goes_over_udp() {
    over_rtsp(Carrier::Udp);
}

/// What is said of an address, the port masked.
fn refusal(url: &str, port: u16) -> String {
    let error = Stream::open("cam", url, Duration::ZERO).err().unwrap();
    error.to_string().replace(&port.to_string(), "[PORT]")
}

#[test]
fn an_address_where_nothing_streams_is_told_without_its_password() {
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let closed = closed.local_addr().unwrap();
    let url = format!("http://{LOGIN}@{closed}/stream.mjpg");
    insta::assert_snapshot!(refusal(&url, closed.port()), @"camera `cam`: `http://127.0.0.1:[PORT]/stream.mjpg` could not be opened as a video; does it exist, are a stream's address and password right?");
}

#[test]
fn rtsp_with_a_wrong_password_and_of_a_stream_that_is_not_there_is_told_without_its_password() {
    let server = rtsp::Server::start(jpeg(0), Carrier::Tcp, LOGIN);
    let port = server.port;
    let wrong = format!("rtsp://line:wrong-secret@127.0.0.1:{port}/stream1");
    insta::assert_snapshot!(refusal(&wrong, port), @"camera `cam`: `rtsp://127.0.0.1:[PORT]/stream1` could not be opened as a video; does it exist, are a stream's address and password right?");
    server.show(None);
    let gone = format!("rtsp://{LOGIN}@127.0.0.1:{port}/stream1");
    insta::assert_snapshot!(refusal(&gone, port), @"camera `cam`: `rtsp://127.0.0.1:[PORT]/stream1` could not be opened as a video; does it exist, are a stream's address and password right?");
    // The login was right: with a picture it opens.
    server.show(Some(jpeg(1)));
    Stream::open("cam", &gone, Duration::ZERO).unwrap();
}
