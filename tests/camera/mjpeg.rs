//! A network camera: Motion JPEG over HTTP to one client at a time.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const FRAME_EVERY: Duration = Duration::from_millis(20);

/// Serves what it is given to show, again and again.
pub(crate) struct Server {
    pub(crate) port: u16,
    // The JPEG file; none while the camera is away.
    shown: Arc<Mutex<Option<Vec<u8>>>>,
}

impl Server {
    pub(crate) fn start(jpeg: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            shown: Arc::new(Mutex::new(Some(jpeg))),
        };
        let shown = Arc::clone(&server.shown);
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                // A client that goes away ends its own stream.
                serve(client, &shown).ok();
            }
        });
        server
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/stream.mjpg", self.port)
    }

    /// From now on this is seen; none cuts the stream and refuses the next.
    pub(crate) fn show(&self, jpeg: Option<Vec<u8>>) {
        *self.shown.lock().unwrap() = jpeg;
    }
}

fn serve(mut client: TcpStream, shown: &Mutex<Option<Vec<u8>>>) -> std::io::Result<()> {
    let mut request = [0; 4096];
    let _n_read = client.read(&mut request)?;
    let head = "HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n";
    client.write_all(head.as_bytes())?;
    loop {
        let Some(jpeg) = shown.lock().unwrap().clone() else {
            return Ok(());
        };
        let part = format!(
            "--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n",
            jpeg.len()
        );
        client.write_all(part.as_bytes())?;
        client.write_all(&jpeg)?;
        client.write_all(b"\r\n")?;
        std::thread::park_timeout(FRAME_EVERY);
    }
}
