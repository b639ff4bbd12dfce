//! The frames of HTTP/2 (RFC 9113 section 4.1), counted on their way to a library that has no limit for them.

/// What a client sends first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADER: usize = 9;

const DATA: u8 = 0;
const RST_STREAM: u8 = 3;
/// A piece of a body that is shorter costs as much as a frame that brings nothing: it is kept with as much beside it.
const TINY: usize = 256;
/// A stream that is begun and given up costs more than is free for a request.
const GIVEN_UP: u32 = 12;

/// What frames cost, by their type and length.
pub(crate) type Price = fn(u8, usize) -> u32;

/// Of a client.
pub(crate) fn of_client(kind: u8, length: usize) -> u32 {
    match kind {
        DATA if length >= TINY => 0,
        RST_STREAM => GIVEN_UP,
        _ => 1,
    }
}

/// Of a server, whose bodies are looked at as they come.
pub(crate) fn of_server(kind: u8, length: usize) -> u32 {
    u32::from(kind != DATA || length == 0)
}

/// Where frames begin.
pub(crate) struct Frames {
    price: Price,
    header: [u8; HEADER],
    /// Bytes of the header that were seen.
    seen: usize,
    /// Bytes of the payload that were not.
    left: usize,
}

impl Frames {
    pub(crate) fn new(price: Price) -> Self {
        Self { price, header: [0; HEADER], seen: 0, left: 0 }
    }

    /// What the frames cost whose headers end in `bytes`, which are the next.
    pub(crate) fn cost(&mut self, mut bytes: &[u8]) -> u32 {
        let mut cost: u32 = 0;
        loop {
            let skipped = self.left.min(bytes.len());
            self.left -= skipped;
            let Some((byte, rest)) = bytes.get(skipped..).and_then(<[u8]>::split_first) else { return cost };
            bytes = rest;
            if let Some(place) = self.header.get_mut(self.seen) {
                *place = *byte;
            }
            self.seen += 1;
            if self.seen == HEADER {
                self.seen = 0;
                let [a, b, c, kind, ..] = self.header;
                self.left = usize::try_from(u32::from_be_bytes([0, a, b, c])).unwrap_or(usize::MAX);
                cost = cost.saturating_add((self.price)(kind, self.left));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, length: usize) -> Vec<u8> {
        let [_, _, _, _, _, a, b, c] = (length as u64).to_be_bytes();
        [&[a, b, c, kind, 0, 0, 0, 0, 1][..], &vec![0; length]].concat()
    }

    #[test]
    fn of_a_server_all_but_its_data_costs() {
        for (kind, length, expected) in [(0, 1, 0), (0, 0, 1), (1, 100, 1), (3, 4, 1), (6, 8, 1), (9, 0, 1)] {
            assert_eq!(Frames::new(of_server).cost(&frame(kind, length)), expected, "{kind} {length}");
        }
    }

    #[test]
    fn what_carries_next_to_nothing_costs_in_whatever_pieces_it_comes() {
        for (what, bytes, expected) in [
            ("nothing", vec![], 0),
            ("pings", frame(6, 8).repeat(100), 100),
            ("settings", frame(4, 6).repeat(7), 7),
            ("empty continuations", frame(9, 0).repeat(50), 50),
            ("window updates", frame(8, 4).repeat(50), 50),
            ("priorities", frame(2, 5).repeat(50), 50),
            ("data", frame(0, 16_384).repeat(9), 0),
            ("empty data", frame(0, 0).repeat(9), 9),
            ("tiny data", frame(0, 255).repeat(9), 9),
            ("streams begun and given up", [frame(1, 30), frame(3, 4)].concat().repeat(10), 130),
            ("of no known type", frame(0xbe, 1000).repeat(3), 3),
            ("half a header", frame(6, 8).into_iter().take(8).collect(), 0),
        ] {
            assert_eq!(Frames::new(of_client).cost(&bytes), expected, "{what}");
            for size in [1, 7, 4096] {
                let mut frames = Frames::new(of_client);
                let sum: u32 = bytes.chunks(size).map(|piece| frames.cost(piece)).sum();
                assert_eq!(sum, expected, "{what}, {size} bytes at once");
            }
        }
    }
}
