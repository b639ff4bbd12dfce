//! A response body, whole, in one piece, up to a cap.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http_body::Body;
use http_body_util::BodyExt;

use super::memory::{FREE, Memory};
use super::timer::{Late, Timer};

/// Memory set aside before the data has come: no more than this, or as much as has come already.
const AHEAD: usize = 1 << 20;

/// Why there is no body.
#[derive(Debug)]
pub(super) enum BodyFailure<E> {
    TooLarge,
    NoMemory,
    Late(Late),
    Broken(E),
}

/// Reads `body` to its end. Also says how many bytes came, in failure too.
pub(super) async fn collect<B>(
    mut body: B,
    cap: usize,
    between: Option<Duration>,
    timer: &mut Timer<'_>,
    memory: Option<&dyn Memory>,
) -> (usize, Result<Bytes, BodyFailure<B::Error>>)
where
    B: Body<Data = Bytes> + Unpin,
{
    let hint = body.size_hint();
    if usize::try_from(hint.lower()).map_or(true, |announced| announced > cap) {
        return (0, Err(BodyFailure::TooLarge));
    }
    let most = hint.exact().and_then(|exact| usize::try_from(exact).ok()).unwrap_or(cap);
    let mut gathered = Gathered::new(most, memory);
    let mut received = 0;
    // A body of known length is over with its last byte; asking for one frame more would cost a wake-up.
    while !body.is_end_stream() {
        let frame = match timer.within(between, pin!(body.frame())).await {
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
            if !gathered.push(data) {
                return (received, Err(BodyFailure::NoMemory));
            }
        }
    }
    (received, Ok(gathered.finish()))
}

/// One piece is kept as it is; more are copied together.
struct Gathered<'a> {
    /// The body is not longer than this.
    most: usize,
    bytes: Bytes,
    buffer: Vec<u8>,
    memory: Option<&'a dyn Memory>,
    /// What stands for the buffer in `memory`.
    held: Vec<Box<dyn Send + Sync>>,
}

/// A buffer, and what stands for it in the account that it is on.
struct OnAccount {
    buffer: Vec<u8>,
    _held: Vec<Box<dyn Send + Sync>>,
}

impl AsRef<[u8]> for OnAccount {
    fn as_ref(&self) -> &[u8] {
        &self.buffer
    }
}

impl<'a> Gathered<'a> {
    fn new(most: usize, memory: Option<&'a dyn Memory>) -> Self {
        Self { most, bytes: Bytes::new(), buffer: Vec::new(), memory, held: Vec::new() }
    }

    /// False: there is no memory for it.
    fn push(&mut self, data: Bytes) -> bool {
        if self.bytes.is_empty() && self.buffer.is_empty() {
            self.bytes = data;
            return true;
        }
        let first = std::mem::take(&mut self.bytes);
        self.append(&first) && self.append(&data)
    }

    fn append(&mut self, data: &[u8]) -> bool {
        let had = self.buffer.capacity();
        if had - self.buffer.len() < data.len() {
            let left = self.most.saturating_sub(self.buffer.len());
            let ahead = left.min(AHEAD.max(self.buffer.len())).max(data.len());
            if let Some(memory) = self.memory.filter(|_| self.buffer.len() + ahead > FREE) {
                let more =
                    if self.held.is_empty() { self.buffer.len() + ahead } else { self.buffer.len() + ahead - had };
                let Some(held) = memory.hold(more) else { return false };
                self.held.push(held);
            }
            self.buffer.reserve_exact(ahead);
        }
        self.buffer.extend_from_slice(data);
        true
    }

    fn finish(self) -> Bytes {
        match (self.buffer.is_empty(), self.held.is_empty()) {
            (true, _) => self.bytes,
            (false, true) => Bytes::from(self.buffer),
            (false, false) => Bytes::from_owner(OnAccount { buffer: self.buffer, _held: self.held }),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

    use std::sync::Arc;
    use std::sync::atomic::AtomicUsize;
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    fn gathered(most: usize) -> Gathered<'static> {
        Gathered::new(most, None)
    }

    /// An account with so many bytes.
    struct Account(Arc<AtomicUsize>);
    struct Held(Arc<AtomicUsize>, usize);

    impl Memory for Account {
        fn hold(&self, bytes: usize) -> Option<Box<dyn Send + Sync>> {
            let took = self.0.fetch_update(Relaxed, Relaxed, |left| left.checked_sub(bytes));
            took.ok().map(|_| Box::new(Held(Arc::clone(&self.0), bytes)) as _)
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            self.0.fetch_add(self.1, Relaxed);
        }
    }

    #[test]
    fn a_long_body_is_on_the_account_as_long_as_somebody_has_it_and_a_short_one_is_not() {
        for (pieces, fits, expected) in [(2, true, 0), (40, true, 4_000_000), (80, false, 0)] {
            let left = Arc::new(AtomicUsize::new(5_000_000));
            let account = Account(Arc::clone(&left));
            let (size, most) = if pieces == 2 { (1000, 2000) } else { (100_000, pieces * 100_000) };
            let mut body = Gathered::new(most, Some(&account));
            let whole = (0..pieces).all(|_| body.push(Bytes::from(vec![1; size])));
            assert_eq!(whole, fits, "{pieces}");
            let bytes = body.finish();
            let shared = bytes.slice(1..2);
            drop(bytes);
            if fits {
                assert_eq!(5_000_000 - left.load(Relaxed), expected, "{pieces}");
            }
            drop(shared);
            assert_eq!(left.load(Relaxed), 5_000_000, "{pieces}");
        }
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
