//! News for the side above, kept in order while it has no room.

use std::collections::VecDeque;
use std::time::Duration;

use tracing::{debug, error};

use crate::domain::Sequence;

use super::post::{Delivery, Token};

/// News that the side above had no room for. What comes in beyond that is lost, loudly; what became of our own
/// messages is not, and there are never more of these than messages in flight.
const HELD_MAX: usize = 1024;

/// How often held news is offered again.
const HELD_RETRY: Duration = Duration::from_millis(5);

/// What the task tells the side above.
#[derive(Debug)]
pub(super) enum News {
    Connected,
    Disconnected {
        error: String,
    },
    Came(Delivery),
    Expired {
        sequence: Sequence,
    },
    Unheard {
        sequence: Sequence,
    },
    /// The connection ended before the broker had acknowledged it.
    Unacknowledged {
        sequence: Sequence,
    },
    Delivered {
        outbox_id: u64,
    },
    Refused {
        what: Token,
        error: String,
    },
}

/// The side above, as the task sees it: `translate` makes its own words out of news, `sink` takes
/// them or says that its queue is full.
pub(super) struct Above<T> {
    translate: Box<dyn FnMut(News) -> Option<T> + Send>,
    sink: Box<dyn Fn(T) -> bool + Send>,
    held: VecDeque<T>,
}

impl<T: Clone> Above<T> {
    pub(super) fn new(
        translate: impl FnMut(News) -> Option<T> + Send + 'static,
        sink: impl Fn(T) -> bool + Send + 'static,
    ) -> Self {
        Self {
            translate: Box::new(translate),
            sink: Box::new(sink),
            held: VecDeque::new(),
        }
    }

    /// Translates at once, so that a trigger's deadline counts from its arrival even if it is held.
    pub(super) fn tell(&mut self, news: News) {
        debug!(?news);
        let came = matches!(news, News::Came(_));
        let Some(news) = (self.translate)(news) else {
            return;
        };
        if self.held.is_empty() && (self.sink)(news.clone()) {
            return;
        }
        if came && HELD_MAX <= self.held.len() {
            error!(
                limit = HELD_MAX,
                "a message is lost: the station takes none"
            );
            return;
        }
        self.held.push_back(news);
    }

    pub(super) fn offer_held(&mut self) {
        while let Some(news) = self.held.pop_front() {
            if !(self.sink)(news.clone()) {
                self.held.push_front(news);
                return;
            }
        }
    }

    /// `None` if nothing is held.
    pub(super) fn offer_again_after(&self) -> Option<Duration> {
        (!self.held.is_empty()).then_some(HELD_RETRY)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::sync_channel;

    #[test]
    fn a_full_station_gets_its_news_later_and_in_order() {
        let (sink, station) = sync_channel(1);
        let id = |news| {
            let News::Delivered { outbox_id } = news else {
                return None;
            };
            Some(outbox_id)
        };
        let mut above = Above::new(id, move |id| sink.try_send(id).is_ok());
        for outbox_id in 0..3 {
            above.tell(News::Delivered { outbox_id });
        }
        assert!(above.offer_again_after().is_some());
        for expected in 0..3 {
            assert_eq!(station.try_recv(), Ok(expected));
            above.offer_held();
        }
        assert!(above.offer_again_after().is_none());
    }
}
