//! A network stream (`rtsp://`, `http://` ...) as a camera: a thread of its own reads without pause, so
//! that a part never gets a picture that lay in a buffer, and connects again when the stream breaks off.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::newest::{self, Fresh, Keeper, Taker};
use super::{FrameSource, SourceError};
use crate::config::with_causes;
use crate::domain::{Frame, Trigger};
use crate::vision::{Picture, Video, without_password};

/// What a stream has buffered while it was opened is read within this time, or the time that opening
/// took: a decoder must be twice as fast as the stream anyway.
const BUFFERED_MIN: Duration = Duration::from_millis(200);

/// A connection, and until when its pictures come out of a buffer.
struct Connection {
    video: Video,
    buffered_until: Instant,
}

/// A network stream.
pub struct Stream {
    name: String,
    origin: String,
    taker: Taker<Arc<Picture>>,
}

impl Stream {
    /// Connects and starts the thread that reads. `latency` is the time from a moment to its picture
    /// here: what the camera needs to encode, the network to carry and the decoder to read.
    ///
    /// # Errors
    /// [`SourceError::Device`] if the stream does not answer or is none.
    pub fn open(name: &str, url: &str, latency: Duration) -> Result<Self, SourceError> {
        let origin = without_password(url);
        let address = url.to_owned();
        let open = move || {
            let opens_at = Instant::now();
            let video = Video::open(&address).map_err(|error| with_causes(&error))?;
            Ok(Connection {
                video,
                buffered_until: Instant::now() + opens_at.elapsed().max(BUFFERED_MIN),
            })
        };
        let mut asked_at = Instant::now();
        let next = move |connection: &mut Connection, _: &Keeper<Arc<Picture>>| {
            let video = &mut connection.video;
            let asked_before = std::mem::replace(&mut asked_at, Instant::now());
            let picture = video.next().map_err(|error| with_causes(&error))?;
            let Some(picture) = picture else {
                return Err(format!("the stream `{}` broke off", video.origin()));
            };
            if Instant::now() < connection.buffered_until {
                return Ok(None);
            }
            Ok(Some(Fresh {
                began_at: asked_before.checked_sub(latency).unwrap_or(asked_before),
                n_bytes: picture.pixels.len(),
                request: None,
                camera_frame: None,
                content: Arc::new(picture),
            }))
        };
        Ok(Self {
            name: name.to_owned(),
            origin,
            taker: newest::start(name, open, next)?,
        })
    }
}

impl FrameSource for Stream {
    fn capture(&mut self, trigger: &Trigger, latest: Instant) -> Result<Frame, SourceError> {
        let taken = self.taker.take(trigger.arrived_at, latest)?;
        let picture = Picture::clone(&taken.content);
        let mut frame = picture.into_frame(&self.name, taken.began_at)?;
        frame.camera_frame = taken.camera_frame;
        frame.origin = Some(format!("{}#{}", self.origin, taken.camera_frame));
        Ok(frame)
    }
}
