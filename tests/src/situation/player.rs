//! Plays a script on a connection, whichever protocol it speaks.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use tokio::sync::{Barrier, watch};
use tokio::time::{sleep, timeout};

use super::script::{Act, Head, Script, goes_on};
use super::seen::{Event, Fields, Seen};

/// How long one act may take: nothing here waits for longer than a second.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// How long an end waits for what a guest may keep from it.
const HURRY: Duration = Duration::from_millis(400);

/// Where the two ends of an exchange wait for each other.
#[derive(Debug)]
pub(super) struct Meeting {
    barrier: Barrier,
    /// Each end goes on with its script if what it waits for does not come.
    hurries: bool,
    client_is_over: watch::Sender<bool>,
}

impl Meeting {
    /// Of one end alone, which waits for nobody.
    pub(super) fn of_one() -> Meeting {
        Meeting { barrier: Barrier::new(1), hurries: false, client_is_over: watch::Sender::new(false) }
    }

    /// Of both.
    pub(super) fn of_two(hurries: bool) -> Arc<Meeting> {
        Arc::new(Meeting { barrier: Barrier::new(2), hurries, client_is_over: watch::Sender::new(false) })
    }

    /// The client has played to its end.
    pub(super) fn client_is_over(&self) {
        self.client_is_over.send_replace(true);
    }

    pub(super) async fn until_client_is_over(&self) {
        // Its sender is this one.
        let _ = self.client_is_over.subscribe().wait_for(|is_over| *is_over).await;
    }
}

/// One end of an exchange over one protocol. That the other end has gone shows in what is read, so writing
/// does not fail.
pub(super) trait Wire {
    /// Sends a head, whose message goes on or ends with it.
    async fn head(&mut self, head: &Head, goes_on: bool);
    async fn data(&mut self, data: &Bytes);
    async fn trailers(&mut self, fields: &Fields);
    async fn end(&mut self);
    async fn raw(&mut self, bytes: &Bytes);
    async fn close(&mut self);
    async fn reset(&mut self);
    /// Waits until the other end has gone.
    async fn gone(&mut self);
    /// Takes what comes from here on as bytes.
    fn tunnel(&mut self);
    /// Reads one event more; false when there are no more.
    async fn read(&mut self) -> bool;
    fn seen(&mut self) -> &mut Seen;
}

/// Plays `script` and reads what the other end says until that is over.
pub(super) async fn play(wire: &mut impl Wire, script: &Script, meeting: &Meeting) {
    let mut open = true;
    for (place, act) in script.acts.iter().enumerate() {
        let rest = &script.acts[place + 1..];
        if matches!(act, Act::End | Act::Trailers(_) | Act::Close | Act::Reset | Act::SeeGone) {
            open = false;
        }
        if meeting.hurries && matches!(act, Act::Meet | Act::SeeHead | Act::SeeData(_)) {
            let _ = timeout(HURRY, step(wire, act, rest, meeting)).await;
            continue;
        }
        if timeout(PATIENCE, step(wire, act, rest, meeting)).await.is_err() {
            wire.seen().push(Event::Stuck(format!("{act:?}")));
            return;
        }
        if matches!(act, Act::Reset) {
            return;
        }
    }
    if open && script.acts.iter().any(|act| matches!(act, Act::Head(_))) {
        wire.end().await;
    }
    if timeout(PATIENCE, see_end(wire)).await.is_err() {
        wire.seen().push(Event::Stuck("the end".to_owned()));
    }
}

async fn step(wire: &mut impl Wire, act: &Act, rest: &[Act], meeting: &Meeting) {
    match act {
        Act::Head(head) => wire.head(head, goes_on(rest)).await,
        Act::Data(data) => wire.data(data).await,
        Act::Trailers(fields) => wire.trailers(fields).await,
        Act::End => wire.end().await,
        Act::Raw(bytes) => wire.raw(bytes).await,
        Act::Pause(time) => sleep(*time).await,
        Act::Meet => {
            meeting.barrier.wait().await;
        }
        Act::Close => wire.close().await,
        Act::Reset => wire.reset().await,
        Act::Tunnel => wire.tunnel(),
        Act::SeeHead => {
            while wire.seen().status().is_none_or(|status| matches!(status, 100 | 102..200))
                && wire.read().await
            {}
        }
        Act::SeeData(length) => while wire.seen().data_bytes() < *length && wire.read().await {},
        Act::SeeEnd => see_end(wire).await,
        Act::SeeGone => {
            see_end(wire).await;
            wire.gone().await;
        }
    }
}

async fn see_end(wire: &mut impl Wire) {
    while wire.read().await {}
}
