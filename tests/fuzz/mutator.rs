//! Turns an input into a near one.

/// Longest input.
pub const INPUT_BYTES_MAX: usize = 32 * 1024;

/// Numbers from one seed (SplitMix64).
#[derive(Clone, Debug)]
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`; 0 if that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end.max(1) as u64).unwrap()
    }

    pub fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Pieces that parsers have stumbled over.
const TOKENS: &[&str] = &[
    "\"",
    "\\",
    "\\u0000",
    "\\ud800",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "1e400",
    "-0",
    "0x7f",
    "\0",
    "\u{feff}",
    "\u{202e}",
    "é",
    "%00",
    "%25",
    "@",
    "#",
    "..",
    "://",
    "=",
    "sha256=",
    "v1,",
    "v1a,",
    "whsec_",
    "\r\n",
    "\n",
    " ",
    "\t",
    "9999999999999999999999",
    "-1",
    "18446744073709551616",
    "eventId",
    "source",
    "data",
    "[[",
    "]]",
    "'''",
    "\"\"\"",
    "env:",
    "Z",
    "+24:00",
    "GMT",
    "$ref",
    "pattern",
    "(a+)+$",
    "enum?",
    "[]",
];

/// One to a few changes of `input`; `other` is another input of the same kind.
pub fn mutate(input: &[u8], other: &[u8], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = input.to_vec();
    for _ in 0..=dice.below(4) {
        change(&mut bytes, other, dice);
    }
    bytes.truncate(INPUT_BYTES_MAX);
    bytes
}

fn change(bytes: &mut Vec<u8>, other: &[u8], dice: &mut Dice) {
    let at = dice.below(bytes.len() + 1);
    let end = at + dice.below((bytes.len() - at + 1).min(64));
    match dice.below(10) {
        0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
        1 if at < bytes.len() => bytes[at] = u8::try_from(dice.below(256)).unwrap(),
        2 => drop(bytes.drain(at..end)),
        3 => {
            let part = bytes[at..end].to_vec();
            insert(bytes, at, &part);
        }
        4 => {
            // Deep, long, or both.
            let part = bytes[at..end.min(at + 8)].to_vec();
            let times = 1 << dice.below(11);
            insert(bytes, at, &part.repeat(times));
        }
        5 => {
            let from = dice.below(other.len() + 1);
            let to = from + dice.below(other.len() - from + 1);
            bytes.splice(at..end, other[from..to].iter().copied());
        }
        6 => bytes.truncate(at),
        7 => {
            let digits = bytes[at..end].iter().filter(|byte| byte.is_ascii_digit()).count();
            let digit = *dice.pick(b"0123456789");
            let number = vec![digit; digits.max(1) << dice.below(6)];
            bytes.splice(at..end, number);
        }
        _ => {
            let token = dice.pick(TOKENS).as_bytes();
            insert(bytes, at, token);
        }
    }
    bytes.truncate(INPUT_BYTES_MAX);
}

fn insert(bytes: &mut Vec<u8>, at: usize, part: &[u8]) {
    bytes.splice(at..at, part.iter().copied());
}
