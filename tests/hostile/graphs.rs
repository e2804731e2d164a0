//! ONNX files by hand: protobuf messages out of their fields (numbers as in `onnx.proto3`).

/// A field that is a message, a text or bytes.
pub(crate) fn message(field: u64, inside: &[u8]) -> Vec<u8> {
    [
        varint(field << 3 | 2),
        varint(inside.len() as u64),
        inside.to_vec(),
    ]
    .concat()
}

/// A field that is a number.
pub(crate) fn number(field: u64, value: u64) -> Vec<u8> {
    [varint(field << 3), varint(value)].concat()
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            bytes.push(low & 0x7f);
            return bytes;
        }
        bytes.push(low | 0x80);
    }
}

const FLOAT: u64 = 1;
const INT64: u64 = 7;

/// A tensor: what it is called, its sides, its type, and the fields with its numbers.
fn tensor(name: &str, sides: &[u64], kind: u64, numbers: &[u8]) -> Vec<u8> {
    let sides: Vec<u8> = sides.iter().flat_map(|side| number(1, *side)).collect();
    [
        sides,
        number(2, kind),
        message(8, name.as_bytes()),
        numbers.to_vec(),
    ]
    .concat()
}

/// `raw_data`.
fn raw(bytes: &[u8]) -> Vec<u8> {
    message(9, bytes)
}

/// Weights of these sides, of which four bytes are there.
pub(crate) fn weights(sides: &[u64]) -> Vec<u8> {
    tensor("w", sides, FLOAT, &raw(&1_f32.to_le_bytes()))
}

/// Weights that lie in another file.
pub(crate) fn weights_in(location: &str) -> Vec<u8> {
    let entry = [message(1, b"location"), message(2, location.as_bytes())].concat();
    let numbers = [message(13, &entry), number(14, 1)].concat();
    tensor("w", &[1], FLOAT, &numbers)
}

/// Sides as a tensor, for nodes that make one of that shape.
pub(crate) fn shape(sides: &[u64]) -> Vec<u8> {
    let bytes: Vec<u8> = sides.iter().flat_map(|side| side.to_le_bytes()).collect();
    tensor("shape", &[sides.len() as u64], INT64, &raw(&bytes))
}

/// A node: its inputs, its output and its operator.
pub(crate) fn node(inputs: &[&str], output: &str, operator: &str) -> Vec<u8> {
    let inputs: Vec<u8> = inputs
        .iter()
        .flat_map(|name| message(1, name.as_bytes()))
        .collect();
    [
        inputs,
        message(2, output.as_bytes()),
        message(4, operator.as_bytes()),
    ]
    .concat()
}

/// An input or an output with these sides.
fn port(name: &str, sides: &[u64]) -> Vec<u8> {
    let sides: Vec<u8> = sides
        .iter()
        .flat_map(|side| message(1, &number(1, *side)))
        .collect();
    let kind = [number(1, FLOAT), message(2, &sides)].concat();
    [message(1, name.as_bytes()), message(2, &message(1, &kind))].concat()
}

/// A graph from `image` of these sides to `out`, in a model.
pub(crate) fn model(image: &[u64], initializers: &[Vec<u8>], nodes: &[Vec<u8>]) -> Vec<u8> {
    let nodes: Vec<u8> = nodes.iter().flat_map(|node| message(1, node)).collect();
    let initializers: Vec<u8> = initializers
        .iter()
        .flat_map(|tensor| message(5, tensor))
        .collect();
    let graph = [
        nodes,
        message(2, b"hostile"),
        initializers,
        message(11, &port("image", image)),
        message(12, &port("out", image)),
    ]
    .concat();
    let opset = message(8, &[message(1, b""), number(2, 17)].concat());
    [number(1, 8), message(7, &graph), opset].concat()
}
