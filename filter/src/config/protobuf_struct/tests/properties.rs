//! Against Protocol Buffers' own types for a Struct, as prost has them.

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use prost::Message;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct};

use super::*;

/// Any JSON that a Struct can hold: numbers are doubles there.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-(1_i64 << 53)..=1_i64 << 53)
            .prop_map(|number| Value::Number(Number::from_f64(number as f64).unwrap())),
        any::<f64>()
            .prop_filter("whole numbers are integers", |x| x.fract() != 0.0)
            .prop_map(|number| Value::Number(Number::from_f64(number).unwrap())),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(5, 60, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Value::Array),
            btree_map(any::<String>(), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn to_struct(map: &SortedMap<Value>) -> Struct {
    Struct { fields: map.iter().map(|(key, value)| (key.to_owned(), to_value(value))).collect() }
}

fn to_value(value: &Value) -> prost_types::Value {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(value) => Kind::NumberValue(value.as_f64()),
        Value::String(value) => Kind::StringValue(value.clone()),
        Value::Array(values) => Kind::ListValue(ListValue { values: values.iter().map(to_value).collect() }),
        Value::Object(map) => Kind::StructValue(to_struct(map)),
    };
    prost_types::Value { kind: Some(kind) }
}

proptest! {
    #[test]
    fn what_prost_encodes_is_decoded(map in btree_map(any::<String>(), json(), 0..8)) {
        let map: SortedMap<_> = map.into_iter().collect();
        prop_assert_eq!(decode(&to_struct(&map).encode_to_vec()), Ok(Value::Object(map)));
    }

    #[test]
    fn rule_48_no_struct_does_harm(
        map in btree_map(any::<String>(), json(), 0..4),
        change in any::<(prop::sample::Index, u8)>(),
        noise in vec(any::<u8>(), 0..60),
    ) {
        let mut bytes = to_struct(&map.into_iter().collect()).encode_to_vec();
        if !bytes.is_empty() {
            let place = change.0.index(bytes.len());
            bytes[place] = change.1;
        }
        let _ = decode(&bytes);
        let _ = decode(&noise);
        let _ = Config::parse(&bytes, &[]);
    }
}
