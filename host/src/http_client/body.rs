//! A response body, whole, in one piece, up to a cap.

use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

use super::timer::{Late, Timer};

/// Memory set aside before the data has come: no more than this, or as much as has come already.
const AHEAD: usize = 1 << 20;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum BodyFailure<E> {
    TooLarge,
    Late(Late),
    Broken(E),
}

/// Reads `body` to its end. Also says how many bytes came, in failure too.
pub(super) async fn collect<B>(
    mut body: B,
    cap: usize,
    between: Option<Duration>,
    timer: &mut Timer<'_>,
) -> (usize, Result<Bytes, BodyFailure<B::Error>>)
where
    B: Body<Data = Bytes> + Unpin,
{
    let hint = body.size_hint();
    if usize::try_from(hint.lower()).map_or(true, |announced| announced > cap) {
        return (0, Err(BodyFailure::TooLarge));
    }
    let most = hint.exact().and_then(|exact| usize::try_from(exact).ok()).unwrap_or(cap);
    let mut gathered = Gathered { most, bytes: Bytes::new(), buffer: Vec::new() };
    let mut received = 0;
    // A body of known length is over with its last byte; asking for one frame more would cost a wake-up.
    while !body.is_end_stream() {
        let frame = match timer.within(between, body.frame()).await {
            Ok(None) => break,
            Ok(Some(Ok(frame))) => frame,
            Ok(Some(Err(error))) => return (received, Err(BodyFailure::Broken(error))),
            Err(late) => return (received, Err(BodyFailure::Late(late))),
        };
        if let Ok(data) = frame.into_data() {
            received += data.len();
            if received > cap {
                return (received, Err(BodyFailure::TooLarge));
            }
            gathered.push(data);
        }
    }
    (received, Ok(gathered.finish()))
}

/// One piece is kept as it is; more are copied together.
struct Gathered {
    /// The body is not longer than this.
    most: usize,
    bytes: Bytes,
    buffer: Vec<u8>,
}

impl Gathered {
    fn push(&mut self, data: Bytes) {
        if self.bytes.is_empty() && self.buffer.is_empty() {
            self.bytes = data;
            return;
        }
        let first = std::mem::take(&mut self.bytes);
        self.append(&first);
        self.append(&data);
    }

    fn append(&mut self, data: &[u8]) {
        if self.buffer.capacity() - self.buffer.len() < data.len() {
            let left = self.most.saturating_sub(self.buffer.len());
            let ahead = left.min(AHEAD.max(self.buffer.len()));
            self.buffer.reserve_exact(ahead.max(data.len()));
        }
        self.buffer.extend_from_slice(data);
    }

    fn finish(self) -> Bytes {
        if self.buffer.is_empty() { self.bytes } else { Bytes::from(self.buffer) }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use super::*;

    fn gathered(most: usize) -> Gathered {
        Gathered { most, bytes: Bytes::new(), buffer: Vec::new() }
    }

    #[test]
    fn one_piece_is_not_copied() {
        let data = Bytes::from(vec![7; 100]);
        let mut body = gathered(1 << 20);
        body.push(Bytes::new());
        body.push(data.clone());
        assert_eq!(body.finish().as_ptr(), data.as_ptr());
    }

    #[test]
    fn pieces_of_a_known_length_share_one_allocation_of_that_length() {
        let mut body = gathered(300);
        for byte in 0..3 {
            body.push(Bytes::from(vec![byte; 100]));
            assert!(body.buffer.capacity() == 0 || body.buffer.capacity() == 300);
        }
        let whole = body.finish();
        assert_eq!((whole.len(), whole[0], whole[299]), (300, 0, 2));
    }

    #[test]
    fn memory_runs_ahead_of_the_data_only_so_far() {
        let most = 10 << 20;
        let mut body = gathered(most);
        let piece = Bytes::from(vec![1; 100_000]);
        for count in 1..=104 {
            body.push(piece.clone());
            let held = count * piece.len();
            assert!(body.buffer.capacity() <= (held + AHEAD.max(held)).min(most), "{count}");
        }
        assert_eq!(body.finish().len(), 10_400_000);
    }

    #[test]
    fn an_empty_body_is_empty() {
        assert_eq!(gathered(0).finish(), Bytes::new());
    }
}
