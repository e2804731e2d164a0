//! A network camera: RTSP (RFC 2326) with Motion JPEG in RTP (RFC 2435) to one client at a time, over TCP
//! or, where it refuses that, over UDP; with a password.

use std::io::{Error, ErrorKind, Read, Result, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

const FRAME_EVERY: Duration = Duration::from_millis(20);
/// Of the clock of RTP, 90 kHz.
const TICKS_A_FRAME: u32 = 1800;
/// Bytes of a picture in one packet: small, so that each picture has several.
const FRAGMENT_BYTES: usize = 200;
/// Payload type.
const JPEG: u8 = 26;

/// How the pictures travel.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Tcp,
    /// The camera refuses TCP.
    Udp,
}

/// Serves what it is given to show, again and again.
pub(crate) struct Server {
    pub(crate) port: u16,
    // The JPEG file; none while the camera is away.
    shown: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Server {
    /// `login` is `user:password`.
    pub(crate) fn start(jpeg: Vec<u8>, carrier: Carrier, login: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            shown: Arc::new(Mutex::new(Some(jpeg))),
        };
        let shown = Arc::clone(&server.shown);
        let permit = format!("Authorization: Basic {}", BASE64_STANDARD.encode(login));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client that goes away ends its own stream.
                serve(client, &shown, carrier, &permit).ok();
            }
        });
        server
    }

    /// From now on this is seen; none cuts the stream, and then there is no such stream (404).
    pub(crate) fn show(&self, jpeg: Option<Vec<u8>>) {
        *self.shown.lock().unwrap() = jpeg;
    }
}

/// Where the packets of a stream go.
enum Way {
    Interleaved,
    Datagrams(UdpSocket),
}

fn serve(
    client: TcpStream,
    shown: &Mutex<Option<Vec<u8>>>,
    carrier: Carrier,
    permit: &str,
) -> Result<()> {
    client.set_read_timeout(Some(FRAME_EVERY))?;
    client.set_nodelay(true)?;
    let mut client = Client {
        stream: client,
        received: Vec::new(),
    };
    let (mut way, mut plays) = (Way::Interleaved, false);
    let (mut number, mut time) = (0_u16, 0_u32);
    loop {
        if let Some(request) = client.request()? {
            match request.split(' ').next().unwrap_or_default() {
                _ if !request.contains(permit) => {
                    let realm = "WWW-Authenticate: Basic realm=\"camera\"";
                    client.answer(&request, "401 Unauthorized", realm, "")?;
                }
                "DESCRIBE" if shown.lock().unwrap().is_none() => {
                    return client.answer(&request, "404 Not Found", "Server: test", "");
                }
                "DESCRIBE" => {
                    let sdp = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\n\
                               m=video 0 RTP/AVP 26\r\nc=IN IP4 0.0.0.0\r\na=control:track1\r\n";
                    client.answer(&request, "200 OK", "Content-Type: application/sdp", sdp)?;
                }
                "SETUP" if carrier == Carrier::Udp && request.contains("RTP/AVP/TCP") => {
                    client.answer(&request, "461 Unsupported Transport", "Server: test", "")?;
                }
                "SETUP" => {
                    let transport;
                    (way, transport) = set_up(&request)?;
                    client.answer(&request, "200 OK", &transport, "")?;
                }
                "PLAY" => {
                    client.answer(&request, "200 OK", "Range: npt=0-", "")?;
                    plays = true;
                }
                _ => {
                    client.answer(&request, "200 OK", "Server: test", "")?;
                    plays = plays && !request.starts_with("TEARDOWN");
                }
            }
        }
        if plays {
            let jpeg = shown.lock().unwrap().clone();
            let jpeg = jpeg.ok_or(ErrorKind::ConnectionReset)?;
            time = time.wrapping_add(TICKS_A_FRAME);
            for packet in packets(&jpeg, &mut number, time) {
                client.send(&way, &packet)?;
            }
        }
    }
}

/// The way that the client asks for, and the header that says so.
fn set_up(request: &str) -> Result<(Way, String)> {
    let Some((_, ports)) = request.split_once("client_port=") else {
        let header = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1".to_owned();
        return Ok((Way::Interleaved, header));
    };
    let digits: String = ports.chars().take_while(char::is_ascii_digit).collect();
    let theirs: u16 = digits.parse().map_err(Error::other)?;
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(("127.0.0.1", theirs))?;
    let ours = socket.local_addr()?.port();
    let header = format!(
        "Transport: RTP/AVP;unicast;client_port={theirs}-{};server_port={ours}-{}",
        theirs + 1,
        ours + 1
    );
    Ok((Way::Datagrams(socket), header))
}

struct Client {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Client {
    /// The next request, if one comes within a frame's time; receiver reports are passed over.
    fn request(&mut self) -> Result<Option<String>> {
        let mut piece = [0; 4096];
        match self.stream.read(&mut piece) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n_read) => self.received.extend_from_slice(&piece[..n_read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        while let [b'$', _, high, low, ..] = self.received[..] {
            let length = 4 + usize::from(u16::from_be_bytes([high, low]));
            if self.received.len() < length {
                return Ok(None);
            }
            self.received.drain(..length);
        }
        let end = self
            .received
            .windows(4)
            .position(|four| four == b"\r\n\r\n");
        let request = end.map(|end| self.received.drain(..end + 4).collect::<Vec<u8>>());
        Ok(request.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn answer(&mut self, request: &str, status: &str, header: &str, body: &str) -> Result<()> {
        let counted = request.lines().find(|line| line.starts_with("CSeq:"));
        let answer = format!(
            "RTSP/1.0 {status}\r\n{}\r\n{header}\r\nSession: 1\r\nContent-Length: {}\r\n\r\n{body}",
            counted.unwrap_or_default(),
            body.len()
        );
        self.stream.write_all(answer.as_bytes())
    }

    fn send(&mut self, way: &Way, packet: &[u8]) -> Result<()> {
        match way {
            Way::Datagrams(socket) => socket.send(packet).map(drop),
            Way::Interleaved => {
                let length = u16::try_from(packet.len()).unwrap().to_be_bytes();
                self.stream.write_all(&[b'$', 0, length[0], length[1]])?;
                self.stream.write_all(packet)
            }
        }
    }
}

/// A picture in RTP packets: its tables in the first, a part of its scan in each.
fn packets(jpeg: &[u8], number: &mut u16, time: u32) -> Vec<Vec<u8>> {
    let (size, tables, scan) = parts_of(jpeg);
    let n_packets = scan.chunks(FRAGMENT_BYTES).count();
    let pieces = scan.chunks(FRAGMENT_BYTES).enumerate();
    let packet = |(at, piece): (usize, &[u8])| {
        *number = number.wrapping_add(1);
        let last = u8::from(at + 1 == n_packets) << 7;
        let mut packet = vec![0x80, JPEG | last];
        packet.extend(number.to_be_bytes());
        packet.extend(time.to_be_bytes());
        packet.extend(1_u32.to_be_bytes());
        // Offset within the scan in 24 bits; type 1 is 4:2:0; quality 255 brings its own tables.
        packet.extend(u32::try_from(at * FRAGMENT_BYTES).unwrap().to_be_bytes());
        packet.extend([1, 255, size[0], size[1]]);
        if at == 0 {
            packet.extend([0, 0, 0, 128]);
            packet.extend_from_slice(&tables);
        }
        packet.extend_from_slice(piece);
        packet
    };
    pieces.map(packet).collect()
}

/// Width and height in blocks of eight, the quantisation tables, and the scan of a baseline JPEG in 4:2:0.
fn parts_of(jpeg: &[u8]) -> ([u8; 2], Vec<u8>, &[u8]) {
    let (mut size, mut tables, mut at) = ([0; 2], Vec::new(), 2);
    loop {
        let length = usize::from(u16::from_be_bytes([jpeg[at + 2], jpeg[at + 3]]));
        let body = &jpeg[at + 4..at + 2 + length];
        match jpeg[at + 1] {
            // DQT: each table after a byte with its number.
            0xdb => tables.extend(body.chunks(65).flat_map(|table| &table[1..])),
            // SOF0: bits, height, width, then how each component is sampled.
            0xc0 => {
                assert_eq!(body[5..8], [3, 1, 0x22], "RTP carries colour in 4:2:0 only");
                let blocks = |at: usize| u16::from_be_bytes([body[at], body[at + 1]]) / 8;
                size = [blocks(3), blocks(1)].map(|n_blocks| u8::try_from(n_blocks).unwrap());
            }
            0xda => return (size, tables, &jpeg[at + 2 + length..jpeg.len() - 2]),
            _ => {}
        }
        at += 2 + length;
    }
}
