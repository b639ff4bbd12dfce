//! Long messages travel in pieces: an engine takes a megabyte at once, and a roster may be longer.

use std::collections::BTreeMap;

use bytes::{BufMut, Bytes, BytesMut};

/// How long a piece is, bytes. NATS takes 1 MB.
const PIECE: usize = 512 << 10;
/// How much of messages that are not whole is kept, bytes; the oldest go.
const MOST_KEPT: usize = 256 << 20;
/// What a piece begins with. JSON does not.
const MARK: u8 = 1;
/// Mark, sender, number of the message, index, and how many there are.
const HEAD: usize = 1 + 8 + 8 + 4 + 4;

/// `message` in as many pieces as it needs; `sender` and `number` tell it from all others.
pub(in crate::cluster) fn cut(message: Bytes, sender: u64, number: u64) -> Vec<Bytes> {
    if message.len() <= PIECE {
        return vec![message];
    }
    let count = message.len().div_ceil(PIECE);
    let pieces = message.chunks(PIECE).enumerate().map(|(index, piece)| {
        let mut all = BytesMut::with_capacity(HEAD + piece.len());
        all.put_u8(MARK);
        all.put_u64_le(sender);
        all.put_u64_le(number);
        all.put_u32_le(u32::try_from(index).unwrap_or(u32::MAX));
        all.put_u32_le(u32::try_from(count).unwrap_or(u32::MAX));
        all.put_slice(piece);
        all.freeze()
    });
    pieces.collect()
}

/// Puts pieces together.
#[derive(Default)]
pub(in crate::cluster) struct Pieces {
    /// By sender and number; the first came first.
    open: BTreeMap<(u64, u64), Open>,
    bytes: usize,
    came: u64,
}

struct Open {
    pieces: BTreeMap<u32, Bytes>,
    count: u32,
    came: u64,
}

impl Pieces {
    /// The whole message, if `piece` completes one or is one.
    pub(in crate::cluster) fn take(&mut self, mut piece: Bytes) -> Option<Bytes> {
        if piece.first() != Some(&MARK) {
            return Some(piece);
        }
        let head = piece.split_to_checked(HEAD)?;
        let number = |at: usize, len: usize| {
            let mut bytes = [0; 8];
            bytes.get_mut(..len)?.copy_from_slice(head.get(at..at + len)?);
            Some(u64::from_le_bytes(bytes))
        };
        let key = (number(1, 8)?, number(9, 8)?);
        let (index, count) = (u32::try_from(number(17, 4)?).ok()?, u32::try_from(number(21, 4)?).ok()?);
        if index >= count || count as usize > MOST_KEPT / PIECE {
            return None;
        }
        self.came += 1;
        let came = self.came;
        let open = self.open.entry(key).or_insert_with(|| Open { pieces: BTreeMap::new(), count, came });
        let length = piece.len();
        if open.count != count {
            return None;
        }
        if open.pieces.insert(index, piece).is_none() {
            self.bytes += length;
        }
        if open.pieces.len() == count as usize {
            let whole = self.forget(key)?;
            return Some(
                whole
                    .pieces
                    .into_values()
                    .fold(BytesMut::new(), |mut all, one| {
                        all.put_slice(&one);
                        all
                    })
                    .freeze(),
            );
        }
        while self.bytes > MOST_KEPT {
            let oldest = self.open.iter().min_by_key(|(_, open)| open.came).map(|(key, _)| *key)?;
            self.forget(oldest);
        }
        None
    }

    fn forget(&mut self, key: (u64, u64)) -> Option<Open> {
        let open = self.open.remove(&key)?;
        let bytes: usize = open.pieces.values().map(Bytes::len).sum();
        self.bytes = self.bytes.saturating_sub(bytes);
        Some(open)
    }
}

/// As `split_to`, without a panic.
trait SplitToChecked: Sized {
    fn split_to_checked(&mut self, at: usize) -> Option<Self>;
}

impl SplitToChecked for Bytes {
    fn split_to_checked(&mut self, at: usize) -> Option<Self> {
        (at <= self.len()).then(|| self.split_to(at))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn message(length: usize) -> Bytes {
        (0..length).map(|n| b'{'.wrapping_add(u8::try_from(n % 251).unwrap())).collect::<Vec<_>>().into()
    }

    #[test]
    fn a_message_is_whole_again_in_whatever_order_its_pieces_come_and_however_often() {
        for length in [1, PIECE, PIECE + 1, 3 * PIECE + 7] {
            let sent = message(length);
            let mut pieces = cut(sent.clone(), 7, 9);
            pieces.reverse();
            let twice: Vec<Bytes> = pieces.iter().flat_map(|one| [one.clone(), one.clone()]).collect();
            let mut all = Pieces::default();
            let whole = twice.into_iter().find_map(|piece| all.take(piece)).unwrap();
            assert_eq!(whole, sent, "{length}");
        }
    }

    #[test]
    fn what_is_never_completed_is_forgotten_by_and_by() {
        let mut all = Pieces::default();
        for number in 0..(2 * MOST_KEPT / PIECE) as u64 {
            let first = cut(message(2 * PIECE), 1, number).remove(0);
            assert_eq!(all.take(first), None);
            assert!(all.bytes <= MOST_KEPT);
        }
    }

    #[test]
    fn what_is_no_piece_is_dropped() {
        for bytes in [&[MARK][..], &[MARK; HEAD], &[MARK; HEAD + 5]] {
            assert_eq!(Pieces::default().take(Bytes::copy_from_slice(bytes)), None);
        }
    }
}
