//! A job's way from the front to a Python thread and its reply's way back, on one thread: locks and allocations, no
//! wake-ups.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use monopod::app::queue::Queue;
use monopod::exchange::{Client, Job, Replies, Reply, ReplyBody, RequestHead, RequestId, Source, Spooled, Waiting};

use crate::Part;

fn job(replies: &Replies, client: &Arc<Client>) -> (Box<Job>, Waiting) {
    let (reply, waiting) = replies.handle();
    let (parts, ()) = Request::get("/").body(()).unwrap().into_parts();
    let head = RequestHead { parts, client: Arc::clone(client), id: RequestId::default() };
    (Box::new(Job { head, body: Spooled::Empty, reply, queued: Instant::now() }), waiting)
}

fn reply() -> Reply {
    let body = ReplyBody::Full(Bytes::from_static(b"Hello, World!\n"), None);
    Reply { status: StatusCode::OK, reason: None, headers: HeaderMap::new(), body }
}

/// `count` jobs wait, are taken and answered one by one, and reach their requests after one flush.
fn batch(name: &'static str, count: usize) -> Part<'static> {
    let replies = Replies::default();
    let queue = Queue::new(1024, Duration::from_mins(1), Arc::default());
    let client = Arc::new(Client::unix());
    Part::new(name, move || {
        let mut context = Context::from_waker(Waker::noop());
        let mut waiting: Vec<Waiting> = (0..count)
            .map(|_| {
                let (job, mut waiting) = job(&replies, &client);
                assert!(Pin::new(&mut waiting).poll(&mut context).is_pending());
                assert!(queue.push(job).is_ok());
                waiting
            })
            .collect();
        while let Some(job) = queue.take() {
            job.reply.send(Ok(reply()));
            replies.flush_if_due();
        }
        replies.flush();
        assert!(pin!(replies.deliver()).poll(&mut context).is_pending());
        for one in &mut waiting {
            assert!(matches!(Pin::new(one).poll(&mut context), Poll::Ready(Ok(_))));
        }
    })
}

pub fn parts() -> Vec<Part<'static>> {
    vec![batch("hand-over, one job", 1), batch("hand-over, sixteen jobs", 16)]
}
