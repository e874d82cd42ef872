//! The document: whole, well formed, and true to its own examples.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use camino_broker::app::contract::openapi;
use camino_broker::http::problem::Code;
use jsonschema::Validator;
use serde_json::{Value, json};

use crate::routes;

pub const METHODS: [&str; 7] = ["get", "head", "post", "put", "patch", "delete", "options"];

/// Every operation of the document: path, method, what is said of it.
fn operations() -> Vec<(&'static str, &'static str, &'static Value)> {
    let paths = openapi()["paths"].as_object().unwrap();
    let methods = |path: &'static str, item: &'static Value| {
        METHODS.iter().filter_map(move |method| Some((path, *method, item.get(method)?)))
    };
    paths.iter().flat_map(|(path, item)| methods(path, item)).collect()
}

/// A validator of `schema`, whose references are into the document.
fn validator(schema: &Value) -> Validator {
    let root = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [schema],
        "components": { "schemas": openapi()["components"]["schemas"] },
    });
    jsonschema::options().should_validate_formats(true).offline().build(&root).unwrap()
}

#[track_caller]
fn assert_fits(schema: &Value, example: &Value, whose: &str) {
    let errors: Vec<String> = validator(schema)
        .iter_errors(example)
        .map(|error| format!("{} at `{}`", error, error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{whose}: {errors:#?}\n{example:#}");
}

#[test]
fn every_route_is_in_the_document_and_nothing_else() {
    let mut documented: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, method, _) in operations() {
        documented.entry(path.to_owned()).or_default().insert(method.to_owned());
    }
    let routed = routes::all();
    assert!(routed.len() > 50, "the walk is broken: {routed:?}");
    for (path, methods) in &routed {
        let missing = "an operation is missing in the `contract` module beside its handler";
        assert_eq!(documented.get(path), Some(methods), "{path}: {missing}");
    }
    for path in documented.keys() {
        assert!(routed.contains_key(path), "{path} is described, and there is no such route");
    }
}

#[test]
fn the_document_is_openapi() {
    let text = include_str!("../fixtures/openapi-3.1.schema.json");
    let schema: Value = serde_json::from_str(text).unwrap();
    let rules = jsonschema::options().offline().build(&schema).unwrap();
    let broken: Vec<String> =
        rules.iter_errors(openapi()).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    for (name, shape) in openapi()["components"]["schemas"].as_object().unwrap() {
        assert!(jsonschema::meta::is_valid(shape), "{name} is no JSON Schema");
    }
}

#[test]
fn every_reference_leads_somewhere_and_every_shape_is_used() {
    let mut found = BTreeSet::new();
    references(openapi(), &mut found);
    for reference in &found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(openapi().pointer(pointer).is_some(), "{reference} leads nowhere");
    }
    for kind in ["schemas", "parameters", "headers", "responses"] {
        for name in openapi()["components"][kind].as_object().unwrap().keys() {
            assert!(found.contains(&format!("#/components/{kind}/{name}")), "{kind}/{name} is not used");
        }
    }
}

fn references(json: &Value, found: &mut BTreeSet<String>) {
    match json {
        Value::Object(members) => {
            found.extend(members.get("$ref").and_then(Value::as_str).map(ToOwned::to_owned));
            members.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_operation_has_its_name_and_says_what_it_takes() {
    let mut ids = HashSet::new();
    for (path, method, operation) in operations() {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} is there twice");
        let summary = operation["summary"].as_str().unwrap();
        assert!(!summary.is_empty() && !summary.ends_with('.'), "{id}: {summary}");
        let parameters = operation["parameters"].as_array().unwrap();
        let in_path = parameters.iter().filter(|parameter| parameter["in"] == "path").count();
        assert_eq!(in_path, path.matches('{').count(), "{method} {path}");
        for parameter in parameters.iter().filter(|parameter| parameter.get("$ref").is_none()) {
            let name = parameter["name"].as_str().unwrap();
            let about = parameter["description"].as_str().unwrap_or_default();
            assert!(about.ends_with('.'), "{id}: nobody says what `{name}` is");
            assert!(parameter["schema"]["type"].is_string(), "{id}: `{name}` has no type");
        }
    }
}

/// What is kept among the components and is only named here.
fn shared(named: &Value) -> Option<&'static Value> {
    openapi().pointer(named["$ref"].as_str()?.strip_prefix('#')?)
}

#[test]
fn every_example_is_what_its_schema_says() {
    for (path, method, operation) in operations() {
        let whose = |part: &str| format!("{method} {path}: {part}");
        let mut contents = Vec::new();
        if let Some(body) = operation.get("requestBody") {
            contents.push((whose("body"), &body["content"]));
        }
        for (status, answer) in operation["responses"].as_object().unwrap() {
            let answer = shared(answer).unwrap_or(answer);
            assert!(!answer["description"].as_str().unwrap().is_empty());
            contents.extend(answer.get("content").map(|content| (whose(status), content)));
        }
        for (whose, content) in contents {
            let (_, media) = content.as_object().unwrap().iter().next().unwrap();
            let many = media["examples"].as_object();
            let many = many.map(|all| all.values().map(|one| &shared(one).unwrap()["value"]));
            let examples: Vec<&Value> =
                media.get("example").into_iter().chain(many.into_iter().flatten()).collect();
            assert!(!examples.is_empty(), "{whose} has no example");
            for example in examples {
                assert_fits(&media["schema"], example, &whose);
            }
        }
    }
}

#[test]
fn every_problem_is_somewhere() {
    // Of paths and methods that are not there, and of the dashboard's forms, which no operation can say.
    let elsewhere = [Code::MethodNotAllowed, Code::FormForeign];
    let text = openapi()["components"]["responses"].to_string();
    for code in Code::ALL.iter().filter(|code| !elsewhere.contains(code)) {
        assert!(text.contains(&format!("\"{}\"", code.as_str())), "no operation answers {}", code.as_str());
    }
}

#[test]
fn what_needs_a_key_says_so_and_may_be_refused_for_it() {
    for (path, method, operation) in operations() {
        let keyed = operation["security"].to_string().contains("bearer");
        let is_open = operation["security"].as_array().unwrap().is_empty();
        assert!(keyed || is_open, "{method} {path}");
        let refuses = |status: &str| operation["responses"].get(status).is_some();
        assert_eq!(keyed, refuses("401") && refuses("429"), "{method} {path}");
    }
}
