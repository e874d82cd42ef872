//! `data` against a schema, both of strangers: the schema comes with a registry, the data with an event.

use camino_broker::domain::schema::Schema;
use serde_json::Value;

use crate::run::{Came, fuzz};

/// The input is a schema, and after a line `---` the data.
#[test]
fn schema() {
    fuzz("schema", |input| {
        let text = String::from_utf8_lossy(input);
        let (schema, data) = text.split_once("\n---\n").unwrap_or((&text, "{}"));
        let Ok(schema) = serde_json::from_str::<Value>(schema) else { return Came::to("no JSON") };
        let schema = match Schema::compile(&schema) {
            Ok(schema) => schema,
            Err(error) => return Came::to(error.to_string()),
        };
        let Ok(data) = serde_json::from_str::<Value>(data) else { return Came::to("no data") };
        let drifts = schema.check(&data);
        assert_eq!(drifts.is_empty(), schema.fits(&data));
        Came::to(drifts.iter().map(|drift| &drift.problem).collect::<Vec<_>>())
    });
}
