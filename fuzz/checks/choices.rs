//! Choices that are not the fuzzer's: made from a hash of its data, so that an input means the same each time and its
//! bytes stay readable.

/// A small generator of numbers (splitmix64), begun with a hash of some bytes.
pub struct Choices(u64);

impl Choices {
    pub fn of(data: &[u8]) -> Self {
        // FNV-1a.
        Self(
            data.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
            }),
        )
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    /// `data` as it may arrive on a socket: whole, in two, byte by byte, or in pieces of changing length; those of long
    /// data are longer, so that none takes long.
    pub fn cut<'a>(&mut self, data: &'a [u8]) -> Vec<&'a [u8]> {
        let least = 1 + data.len() / 512;
        let longest = match self.below(5) {
            0 => return vec![data],
            1 => {
                let (first, second) = data.split_at(self.below(data.len() + 1));
                return vec![first, second];
            }
            2 => return data.chunks(least).collect(),
            3 => 4 * least,
            _ => 64 * least,
        };
        let mut pieces = Vec::new();
        let mut rest = data;
        while !rest.is_empty() {
            let (piece, after) = rest.split_at(rest.len().min(1 + self.below(longest)));
            pieces.push(piece);
            rest = after;
        }
        pieces
    }
}
