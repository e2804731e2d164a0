//! A reader of Sparkplug B payloads that shares no code with ours: Protocol Buffers, byte by byte.

/// A payload as read.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Payload {
    pub(crate) timestamp: Option<u64>,
    pub(crate) seq: Option<u64>,
    pub(crate) metrics: Vec<Metric>,
    /// The numbers of all other fields.
    pub(crate) others: Vec<u64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Metric {
    pub(crate) name: Option<String>,
    pub(crate) alias: Option<u64>,
    pub(crate) timestamp: Option<u64>,
    pub(crate) datatype: Option<u64>,
    pub(crate) is_historical: bool,
    pub(crate) is_null: bool,
    pub(crate) value: Option<Value>,
    /// The numbers of all other fields: metadata, properties, data sets, templates.
    pub(crate) others: Vec<u64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    /// Field 10.
    Int(u64),
    /// Field 11.
    Long(u64),
    Boolean(bool),
    Text(String),
}

/// The numbers of the types that we send.
pub(crate) const INT64: u64 = 4;
pub(crate) const UINT8: u64 = 5;
pub(crate) const UINT64: u64 = 8;
pub(crate) const BOOLEAN: u64 = 11;
pub(crate) const STRING: u64 = 12;
pub(crate) const DATE_TIME: u64 = 13;

/// One field: its number, and a number or bytes.
enum Field<'a> {
    Number(u64, u64),
    Bytes(u64, &'a [u8]),
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (first, rest) = self.0.split_first().ok_or("cut off in a number")?;
            self.0 = rest;
            value |= u64::from(first & 0x7f) << shift;
            if first & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err("a number of more than 64 bits".to_owned())
    }

    fn field(&mut self) -> Result<Option<Field<'a>>, String> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        match key & 7 {
            0 => Ok(Some(Field::Number(key >> 3, self.varint()?))),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|error| error.to_string())?;
                let (bytes, rest) = self
                    .0
                    .split_at_checked(length)
                    .ok_or("cut off in a field")?;
                self.0 = rest;
                Ok(Some(Field::Bytes(key >> 3, bytes)))
            }
            other => Err(format!("a field of wire type {other}")),
        }
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|error| error.to_string())
}

impl Payload {
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, String> {
        let (mut payload, mut reader) = (Self::default(), Reader(bytes));
        while let Some(field) = reader.field()? {
            match field {
                Field::Number(1, at_ms) => payload.timestamp = Some(at_ms),
                Field::Bytes(2, metric) => payload.metrics.push(Metric::read(metric)?),
                Field::Number(3, seq) => payload.seq = Some(seq),
                Field::Number(other, _) | Field::Bytes(other, _) => payload.others.push(other),
            }
        }
        Ok(payload)
    }

    pub(crate) fn metric(&self, name: &str) -> Option<&Metric> {
        let has_name = |metric: &&Metric| metric.name.as_deref() == Some(name);
        self.metrics.iter().find(has_name)
    }

    pub(crate) fn bd_seq(&self) -> Option<u64> {
        match self.metric("bdSeq")?.value {
            Some(Value::Long(bd_seq)) => Some(bd_seq),
            _ => None,
        }
    }
}

impl Metric {
    fn read(bytes: &[u8]) -> Result<Self, String> {
        let (mut metric, mut reader) = (Self::default(), Reader(bytes));
        while let Some(field) = reader.field()? {
            match field {
                Field::Bytes(1, name) => metric.name = Some(text(name)?),
                Field::Number(2, alias) => metric.alias = Some(alias),
                Field::Number(3, at_ms) => metric.timestamp = Some(at_ms),
                Field::Number(4, datatype) => metric.datatype = Some(datatype),
                Field::Number(5, flag) => metric.is_historical = flag != 0,
                Field::Number(7, flag) => metric.is_null = flag != 0,
                Field::Number(10, value) => metric.value = Some(Value::Int(value)),
                Field::Number(11, value) => metric.value = Some(Value::Long(value)),
                Field::Number(14, value) => metric.value = Some(Value::Boolean(value != 0)),
                Field::Bytes(15, value) => metric.value = Some(Value::Text(text(value)?)),
                Field::Number(other, _) | Field::Bytes(other, _) => metric.others.push(other),
            }
        }
        Ok(metric)
    }
}

/// A command to the node: `Node Control/Rebirth` = true, written by hand.
pub(crate) fn rebirth_command() -> Vec<u8> {
    let name = b"Node Control/Rebirth";
    let length = |bytes: &[u8]| u8::try_from(bytes.len()).unwrap();
    let mut metric = vec![0x0a, length(name)];
    metric.extend(name);
    metric.extend([0x20, 11, 0x70, 1]);
    let mut payload = vec![0x08, 1, 0x12, length(&metric)];
    payload.extend(metric);
    payload
}
