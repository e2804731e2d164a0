//! Every rule of a schema, broken once in a good message, and the last value within each limit.

use serde_json::{Map, Value, json};

/// A good message in which one value was changed.
pub(crate) struct Trial {
    pub(crate) what: String,
    pub(crate) message: Value,
    /// Whether it is still a good one.
    pub(crate) fits: bool,
}

impl Trial {
    fn bad(what: &str, message: impl Into<Value>) -> Self {
        Self {
            what: what.to_owned(),
            message: message.into(),
            fits: false,
        }
    }

    fn good(what: &str, message: impl Into<Value>) -> Self {
        Self {
            fits: true,
            ..Self::bad(what, message)
        }
    }

    /// The trial of a value, with what stands around the value.
    fn within(self, key: &str, around: impl FnOnce(Value) -> Value) -> Self {
        Self {
            what: format!("{key}/{}", self.what),
            message: around(self.message),
            fits: self.fits,
        }
    }
}

/// The trials of `good`, which `schema`, a part of `whole`, describes.
pub(crate) fn trials(whole: &Value, schema: &Value, good: &Value) -> Vec<Trial> {
    let takes_null = schema.get("anyOf").is_some();
    let schema = resolved(whole, schema);
    let mut trials = of_type(schema);
    trials.retain(|trial| !(takes_null && trial.message.is_null()));
    trials.extend(of_words(schema, good));
    trials.extend(of_numbers(schema));
    trials.extend(of_text(schema));
    match good {
        Value::Array(list) => trials.extend(of_list(whole, schema, list)),
        Value::Object(object) => trials.extend(of_object(whole, schema, object)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    trials
}

fn of_type(schema: &Value) -> Vec<Trial> {
    let types = types(schema);
    let others = [
        json!(null),
        json!(true),
        json!("words"),
        json!(1.5),
        json!([[]]),
        json!({"a": {}}),
    ];
    others
        .into_iter()
        .filter(|other| !types.is_empty() && !types.contains(&type_of(other)))
        .map(|other| Trial::bad("type", other))
        .collect()
}

fn of_words(schema: &Value, good: &Value) -> Vec<Trial> {
    let keys = ["const", "enum", "oneOf"];
    if !keys.iter().any(|key| schema.get(key).is_some()) {
        return Vec::new();
    }
    match good {
        Value::Number(_) => vec![Trial::bad("const", 1234)],
        Value::String(_) => vec![Trial::bad("word", "no_such_word"), Trial::bad("word", 17)],
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => Vec::new(),
    }
}

fn of_numbers(schema: &Value) -> Vec<Trial> {
    let is_integer = types(schema).contains(&"integer");
    let step = if is_integer { 1.0 } else { 0.25 };
    let mut trials = Vec::new();
    for (key, step) in [("minimum", -step), ("maximum", step)] {
        let Some(limit) = schema.get(key) else {
            continue;
        };
        let beyond = limit.as_f64().unwrap() + step;
        // Beyond the largest number of 64 bits JSON has only floating ones.
        let beyond = if is_integer && beyond < 1e15 {
            serde_json::from_str(&format!("{beyond:.0}")).unwrap()
        } else {
            json!(beyond)
        };
        trials.push(Trial::bad(key, beyond));
        trials.push(Trial::good(key, limit.clone()));
    }
    trials
}

fn of_text(schema: &Value) -> Vec<Trial> {
    let mut trials = Vec::new();
    if schema.get("minLength").is_some() {
        trials.push(Trial::bad("minLength", ""));
        trials.push(Trial::bad("blanks", " x"));
    }
    if let Some(max) = length(schema, "maxLength") {
        trials.push(Trial::bad("maxLength", "ü".repeat(max + 1)));
        trials.push(Trial::good("maxLength", "ü".repeat(max)));
    }
    if schema
        .get("format")
        .is_some_and(|format| format == "date-time")
    {
        let bad = ["yesterday", "2026-13-40T10:15:30Z", "2026-11-22"];
        trials.extend(bad.map(|bad| Trial::bad("date-time", bad)));
        trials.push(Trial::good("date-time", "2026-11-22T10:15:30.123456789Z"));
    }
    trials
}

fn of_list(whole: &Value, schema: &Value, list: &[Value]) -> Vec<Trial> {
    let mut found = Vec::new();
    let Some(first) = list.first() else {
        return found;
    };
    if let Some(max) = length(schema, "maxItems") {
        found.push(Trial::bad("maxItems", vec![first.clone(); max + 1]));
        found.push(Trial::good("maxItems", vec![first.clone(); max]));
    }
    if schema.get("minItems").is_some() {
        found.push(Trial::bad("minItems", list[1..].to_vec()));
    }
    let around = |value| {
        let mut list = list.to_vec();
        list[0] = value;
        list.into()
    };
    let within = trials(whole, &schema["items"], first);
    found.extend(within.into_iter().map(|trial| trial.within("0", around)));
    found
}

fn of_object(whole: &Value, schema: &Value, object: &Map<String, Value>) -> Vec<Trial> {
    let mut found = Vec::new();
    let required = schema.get("required").and_then(Value::as_array);
    for key in required.into_iter().flatten() {
        let mut object = object.clone();
        object.remove(key.as_str().unwrap()).unwrap();
        found.push(Trial::bad(&format!("without {key}"), object));
    }
    let more = schema.get("additionalProperties");
    let mut with_more = object.clone();
    with_more.insert("no_such_field".to_owned(), 1.into());
    match more {
        Some(Value::Bool(false)) => found.push(Trial::bad("unknown field", with_more)),
        _ => found.push(Trial::good("unknown field", with_more)),
    }
    for (key, value) in object {
        let within = schema["properties"].get(key).or(more).unwrap();
        let around = |value| {
            let mut object = object.clone();
            object.insert(key.clone(), value);
            object.into()
        };
        let within = trials(whole, within, value)
            .into_iter()
            // Another good code does not fit the verdict's word.
            .filter(|trial| !(trial.fits && key == "result_code"));
        found.extend(within.map(|trial| trial.within(key, around)));
    }
    found
}

fn length(schema: &Value, key: &str) -> Option<usize> {
    let length = schema.get(key)?.as_u64()?;
    Some(usize::try_from(length).unwrap())
}

/// Follows a reference, and takes what is not null of a choice with null.
fn resolved<'s>(whole: &'s Value, schema: &'s Value) -> &'s Value {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        let pointer = reference.strip_prefix('#').unwrap();
        return resolved(whole, whole.pointer(pointer).unwrap());
    }
    match schema.get("anyOf").and_then(Value::as_array) {
        Some(choices) => resolved(whole, &choices[0]),
        None => schema,
    }
}

/// The JSON types that a schema names; a choice with null lost its null in [`resolved`].
fn types(schema: &Value) -> Vec<&str> {
    match schema.get("type") {
        Some(Value::Array(types)) => types.iter().filter_map(Value::as_str).collect(),
        Some(Value::String(one)) => vec![one],
        _ => Vec::new(),
    }
}

fn type_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
