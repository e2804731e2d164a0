//! Weights that lie in other files than their graph: refused in a package, taken in by an import.
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

/// Where the numbers of a tensor lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Elsewhere {
    /// The file, relative to the graph's folder.
    pub(super) location: String,
    /// The first byte.
    pub(super) offset: u64,
    /// How many; to the file's end if nothing is said.
    pub(super) length: Option<u64>,
}

/// The graph with all its weights inside; `read` brings those that lie elsewhere.
///
/// # Errors
/// What `read` says, or that this is no ONNX file.
pub(super) fn embed(
    onnx: &[u8],
    read: &mut dyn FnMut(&Elsewhere) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let whole = "it is cut off or no ONNX file at all; export it again".to_owned();
    match walk(onnx, Message::Model, 0) {
        Some(false) => Ok(onnx.to_vec()),
        Some(true) => rewrite(onnx, Message::Model, 0, read),
        None => Err(whole),
    }
}

/// Copies a message; each tensor that lies elsewhere gets its numbers instead.
fn rewrite(
    mut bytes: &[u8],
    message: Message,
    depth: u32,
    read: &mut dyn FnMut(&Elsewhere) -> Result<Vec<u8>, String>,
) -> Result<Vec<u8>, String> {
    let broken = || "its protobuf is broken; export it again".to_owned();
    if depth > DEPTH_MAX {
        return Err(format!(
            "its graphs are nested more than {DEPTH_MAX} messages deep; export it again"
        ));
    }
    let mut copy = Vec::with_capacity(bytes.len());
    let mut entries: Vec<(String, String)> = Vec::new();
    while !bytes.is_empty() {
        let before = bytes;
        let key = varint(&mut bytes).ok_or_else(broken)?;
        let field = key >> 3;
        let payload = field_payload(&mut bytes, key & 7).ok_or_else(broken)?;
        let whole = before.get(..before.len() - bytes.len()).unwrap_or_default();
        match (message, field) {
            (Message::Tensor, 13) => entries.push(entry(payload).ok_or_else(broken)?),
            (Message::Tensor, 14) => {}
            _ => match message.inside(field) {
                Some(inside) if key & 7 == 2 => {
                    let inner = rewrite(payload, inside, depth + 1, read)?;
                    put_varint(&mut copy, key);
                    put_varint(&mut copy, inner.len() as u64);
                    copy.extend(inner);
                }
                _ => copy.extend_from_slice(whole),
            },
        }
    }
    if !entries.is_empty() {
        let numbers = read(&elsewhere(&entries)?)?;
        // `raw_data`
        put_varint(&mut copy, 9 << 3 | 2);
        put_varint(&mut copy, numbers.len() as u64);
        copy.extend(numbers);
    }
    Ok(copy)
}

fn elsewhere(entries: &[(String, String)]) -> Result<Elsewhere, String> {
    let value = |wanted: &str| {
        let found = entries.iter().find(|(key, _)| key == wanted);
        found.map(|(_, value)| value.as_str())
    };
    let number = |wanted: &str| {
        let text = value(wanted);
        let number = text.map(str::parse).transpose();
        number.map_err(|error| format!("its external data has a bad `{wanted}`: {error}"))
    };
    Ok(Elsewhere {
        location: value("location")
            .ok_or("its external data names no file")?
            .to_owned(),
        offset: number("offset")?.unwrap_or(0),
        length: number("length")?,
    })
}

/// Key and value of an entry.
fn entry(mut bytes: &[u8]) -> Option<(String, String)> {
    let (mut name, mut value) = (String::new(), String::new());
    while !bytes.is_empty() {
        let key = varint(&mut bytes)?;
        let payload = field_payload(&mut bytes, key & 7)?;
        match key >> 3 {
            1 => std::str::from_utf8(payload).ok()?.clone_into(&mut name),
            2 => std::str::from_utf8(payload).ok()?.clone_into(&mut value),
            _ => {}
        }
    }
    Some((name, value))
}

/// What a field holds; nothing of a number.
fn field_payload<'a>(bytes: &mut &'a [u8], kind: u64) -> Option<&'a [u8]> {
    match kind {
        0 => varint(bytes).map(|_| &[][..]),
        1 => take(bytes, 8),
        2 => {
            let length = varint(bytes)?;
            take(bytes, length)
        }
        5 => take(bytes, 4),
        _ => None,
    }
}

fn put_varint(bytes: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
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
    fn a_tensor_elsewhere_gets_its_numbers_and_the_rest_stays_as_it_is() {
        let pair = |key: &str, value: &str| {
            field(
                13,
                &[field(1, key.as_bytes()), field(2, value.as_bytes())].concat(),
            )
        };
        let said = [
            pair("location", "a.data"),
            pair("offset", "3"),
            pair("length", "2"),
        ]
        .concat();
        let named = field(8, b"weight");
        let tensor = [&named[..], &said, &[14 << 3, 1]].concat();
        let producer = field(2, b"pytorch");
        let graph = field(7, &[field(2, b"main"), field(5, &tensor)].concat());
        let onnx = [producer.clone(), graph].concat();
        let mut asked = Vec::new();
        let embedded = embed(&onnx, &mut |place| {
            asked.push(place.clone());
            Ok(vec![7, 8])
        });
        let inside = [named, field(9, &[7, 8])].concat();
        let graph = field(7, &[field(2, b"main"), field(5, &inside)].concat());
        assert_eq!(embedded, Ok([producer, graph].concat()));
        let expected = Elsewhere {
            location: "a.data".to_owned(),
            offset: 3,
            length: Some(2),
        };
        assert_eq!(asked, [expected]);
        let failed = embed(&onnx, &mut |_| Err("it is not there".to_owned()));
        assert_eq!(failed, Err("it is not there".to_owned()));
    }

    #[test]
    fn what_is_no_protobuf_is_refused() {
        for bytes in [&b"\x3a\x7fshort"[..], b"\xff\xff\xff", b"\x07"] {
            assert!(refuse(bytes).unwrap_err().contains("cut off"), "{bytes:?}");
        }
    }
}
