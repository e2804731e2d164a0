//! The Sparkplug B payload as Protocol Buffers: the fields that an edge node writes and a command brings.
//!
//! Written from the specification's field numbers. Fields that we neither write nor read (data sets,
//! templates, properties, metadata) are left out: they are skipped when a payload is read.

/// A message's payload.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Payload {
    /// When it was sent, in milliseconds since 1970 UTC.
    #[prost(uint64, optional, tag = "1")]
    pub(super) timestamp: Option<u64>,
    #[prost(message, repeated, tag = "2")]
    pub(super) metrics: Vec<Metric>,
    #[prost(uint64, optional, tag = "3")]
    pub(super) seq: Option<u64>,
}

/// One tag's value at one time.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Metric {
    #[prost(string, optional, tag = "1")]
    pub(super) name: Option<String>,
    #[prost(uint64, optional, tag = "2")]
    pub(super) alias: Option<u64>,
    /// When it had the value, in milliseconds since 1970 UTC.
    #[prost(uint64, optional, tag = "3")]
    pub(super) timestamp: Option<u64>,
    #[prost(uint32, optional, tag = "4")]
    pub(super) datatype: Option<u32>,
    #[prost(bool, optional, tag = "5")]
    pub(super) is_historical: Option<bool>,
    #[prost(bool, optional, tag = "7")]
    pub(super) is_null: Option<bool>,
    #[prost(oneof = "Value", tags = "10, 11, 14, 15")]
    pub(super) value: Option<Value>,
}

/// A value as it travels.
#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Value {
    /// Of the types up to 32 bits.
    #[prost(uint32, tag = "10")]
    Int(u32),
    /// Of the types with 64 bits, and times.
    #[prost(uint64, tag = "11")]
    Long(u64),
    #[prost(bool, tag = "14")]
    Boolean(bool),
    #[prost(string, tag = "15")]
    Text(String),
}

/// The types that our tags have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum DataType {
    Int64,
    UInt8,
    UInt64,
    Boolean,
    String,
    DateTime,
}

impl From<DataType> for u32 {
    fn from(datatype: DataType) -> Self {
        match datatype {
            DataType::Int64 => 4,
            DataType::UInt8 => 5,
            DataType::UInt64 => 8,
            DataType::Boolean => 11,
            DataType::String => 12,
            DataType::DateTime => 13,
        }
    }
}
