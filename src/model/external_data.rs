//! Refuses graphs whose weights lie in other files.
//!
//! A package is sealed by the hash of its ONNX file; weights elsewhere would not be sealed. ONNX
//! Runtime 1.31 reads such files relative to the current directory when a graph comes from memory,
//! even `../`. So the graph's protobuf is walked here (field numbers: `onnx.proto3`, IR version 13).

/// Deepest nesting of messages; a graph in an `If` in a `Loop` takes four levels each.
const DEPTH_MAX: u32 = 100;

/// The messages that can hold a tensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Message {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    SparseTensor,
    Tensor,
}

impl Message {
    /// The message in `field`, where it can hold a tensor.
    fn inside(self, field: u64) -> Option<Self> {
        match (self, field) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => {
                Some(Self::Graph)
            }
            (Self::Model, 20) => Some(Self::Training),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Function, 7) | (Self::Graph, 1) => Some(Self::Node),
            (Self::Function, 11) | (Self::Node, 5) => Some(Self::Attribute),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::SparseTensor, 1 | 2) => {
                Some(Self::Tensor)
            }
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::SparseTensor),
            _ => None,
        }
    }
}

/// What is wrong with the graph, if its weights are not all inside it.
pub(super) fn refuse(onnx: &[u8]) -> Result<(), String> {
    match walk(onnx, Message::Model, 0) {
        Some(false) => Ok(()),
        Some(true) => Err(
            "the ONNX file keeps weights in another file, which no hash seals; export it with its \
             weights inside (`save_as_external_data=False`)"
                .to_owned(),
        ),
        None => Err(
            "the ONNX file is cut off or no ONNX file at all; export the package again".to_owned(),
        ),
    }
}

/// Whether a tensor in `bytes` lies elsewhere; `None` if this is no protobuf.
fn walk(mut bytes: &[u8], message: Message, depth: u32) -> Option<bool> {
    if depth > DEPTH_MAX {
        return None;
    }
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let field = key >> 3;
        let payload = match key & 7 {
            0 => {
                // `data_location = EXTERNAL`
                if varint(&mut bytes)? == 1 && (message, field) == (Message::Tensor, 14) {
                    return Some(true);
                }
                continue;
            }
            1 => take(&mut bytes, 8)?,
            2 => {
                let length = varint(&mut bytes)?;
                take(&mut bytes, length)?
            }
            5 => take(&mut bytes, 4)?,
            _ => return None,
        };
        // `external_data`
        if (message, field) == (Message::Tensor, 13) {
            return Some(true);
        }
        if let (2, Some(inside)) = (key & 7, message.inside(field))
            && walk(payload, inside, depth + 1)?
        {
            return Some(true);
        }
    }
    Some(false)
}

fn take<'a>(bytes: &mut &'a [u8], length: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(taken)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn any_bytes_are_walked_without_a_panic(bytes: Vec<u8>) {
            proptest::prop_assert!(refuse(&bytes).map_or_else(|text| !text.is_empty(), |()| true));
        }
    }

    fn field(number: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[number << 3 | 2, length], payload].concat()
    }

    #[test]
    fn a_tensor_elsewhere_is_found_in_graphs_within_graphs() {
        let outside = [14 << 3, 1];
        let inside = [14 << 3, 0];
        for (tensor, found) in [(outside, true), (inside, false)] {
            let initializer = field(7, &field(5, &tensor));
            assert_eq!(walk(&initializer, Message::Model, 0), Some(found));
            let attribute = field(5, &field(6, &field(5, &tensor)));
            let branch = field(7, &field(1, &attribute));
            assert_eq!(walk(&branch, Message::Model, 0), Some(found));
        }
        let named = field(7, &field(5, &field(13, b"location")));
        assert!(refuse(&named).unwrap_err().contains("another file"));
    }

    #[test]
    fn what_is_no_protobuf_is_refused() {
        for bytes in [&b"\x3a\x7fshort"[..], b"\xff\xff\xff", b"\x07"] {
            assert!(refuse(bytes).unwrap_err().contains("cut off"), "{bytes:?}");
        }
    }
}
