//! Good bytes made bad: flipped, cut, doubled, moved, and with words in them that parsers stumble over.

use proptest::prelude::*;
use proptest::sample::Index;

/// One thing done to bytes.
#[derive(Debug, Clone)]
pub(crate) enum Spoil {
    /// One bit the other way.
    Flip(Index, u8),
    /// The end cut off.
    Cut(Index),
    /// A piece of it, again somewhere else.
    Copy(Index, Index, Index),
    /// A piece left out.
    Leave(Index, Index),
    /// A word put in.
    Put(Index, &'static [u8]),
    /// A word in the place of as many bytes.
    Replace(Index, &'static [u8]),
    /// A number in the place of one.
    Number(Index, &'static str),
    /// The bytes of another sample from somewhere on.
    Splice(Index, Index, Index),
}

/// Ends of ranges, bytes that are no text, and lengths that do not exist.
const WORDS: [&[u8]; 16] = [
    b"\0",
    b"\0\0\0\0",
    b"\x01",
    b"\x7f\xff\xff\xff",
    b"\x80\0\0\0",
    b"\xff\xff\xff\xff",
    b"\xff\xff\xff\xff\xff\xff\xff\x7f",
    b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
    b"\xc3\x28",
    b"\xed\xa0\x80",
    b"\"",
    b"\n",
    b"\\u0000",
    b"[[[[[[[[[[[[[[[[",
    b"{\"a\":{\"a\":{\"a\":",
    b"<a><a><a><!--",
];

const NUMBERS: [&str; 16] = [
    "-1",
    "0",
    "-0.0",
    "255",
    "65536",
    "2147483648",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "1e308",
    "1e999",
    "-1e999",
    "nan",
    "inf",
];

pub(crate) fn spoils() -> impl Strategy<Value = Vec<Spoil>> {
    let at = any::<Index>;
    let word = || prop::sample::select(&WORDS[..]);
    let one = prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Spoil::Flip(at, bit)),
        at().prop_map(Spoil::Cut),
        (at(), at(), at()).prop_map(|(from, to, at)| Spoil::Copy(from, to, at)),
        (at(), at()).prop_map(|(from, to)| Spoil::Leave(from, to)),
        (at(), word()).prop_map(|(at, word)| Spoil::Put(at, word)),
        (at(), word()).prop_map(|(at, word)| Spoil::Replace(at, word)),
        (at(), prop::sample::select(&NUMBERS[..])).prop_map(|(at, n)| Spoil::Number(at, n)),
        (at(), at(), at()).prop_map(|(other, from, at)| Spoil::Splice(other, from, at)),
    ];
    prop::collection::vec(one, 1..5)
}

/// Does all of it, one after the other; `all` is what a splice takes its piece from.
pub(crate) fn spoil(good: &[u8], spoils: &[Spoil], all: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = good.to_vec();
    for spoil in spoils {
        one(&mut bytes, spoil, all);
    }
    bytes
}

fn one(bytes: &mut Vec<u8>, spoil: &Spoil, all: &[Vec<u8>]) {
    // The place behind the last byte counts too.
    let end = bytes.len() + 1;
    let range = |from: &Index, to: &Index| {
        let (from, to) = (from.index(end), to.index(end));
        from.min(to)..from.max(to)
    };
    match spoil {
        Spoil::Flip(at, bit) => {
            let at = at.index(end);
            bytes
                .iter_mut()
                .skip(at)
                .take(1)
                .for_each(|byte| *byte ^= 1 << bit);
        }
        Spoil::Cut(at) => bytes.truncate(at.index(end)),
        Spoil::Copy(from, to, at) => {
            let piece = bytes[range(from, to)].to_vec();
            let at = at.index(end);
            bytes.splice(at..at, piece);
        }
        Spoil::Leave(from, to) => {
            bytes.drain(range(from, to));
        }
        Spoil::Put(at, word) => {
            let at = at.index(end);
            bytes.splice(at..at, word.iter().copied());
        }
        Spoil::Replace(at, word) => {
            let at = at.index(end);
            let to = (at + word.len()).min(bytes.len());
            bytes.splice(at..to, word.iter().copied());
        }
        Spoil::Number(at, number) => {
            let numbers = numbers_in(bytes);
            if !numbers.is_empty() {
                let place = at.get(&numbers).clone();
                bytes.splice(place, number.bytes());
            }
        }
        Spoil::Splice(other, from, at) => {
            let other = other.get(all);
            let from = from.index(other.len() + 1);
            bytes.truncate(at.index(end));
            bytes.extend_from_slice(&other[from..]);
        }
    }
}

/// Where numbers stand in a text.
fn numbers_in(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_in = |at: usize| bytes[at].is_ascii_digit() || b"+-.".contains(&bytes[at]);
    let mut numbers = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let start = at;
        while at < bytes.len() && is_in(at) {
            at += 1;
        }
        if start < at {
            numbers.push(start..at);
        }
        at += 1;
    }
    numbers
}
