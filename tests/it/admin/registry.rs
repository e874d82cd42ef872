//! `/v1/registry`: the types and apps in force.

use serde_json::json;

use crate::app::Setup;
use crate::desk::{each, names};

#[tokio::test]
async fn apps_and_types_are_listed_by_name_and_shown_one_by_one() {
    let app = Setup::new().start().await;
    let desk = app.desk();
    for (path, name, least) in [("/v1/registry/apps", "slug", 20), ("/v1/registry/events", "type", 150)] {
        let pages = desk.pages(&format!("{path}?limit=7")).await;
        let all = pages.concat();
        assert!(all.len() >= least && pages.iter().all(|page| page.len() <= 7), "{path}");
        assert!(each(&all, name).is_sorted_by(|a, b| a < b), "{path}: each once, by name");
        let one = desk.get(&format!("{path}/{}", all[3][name].as_str().unwrap())).await;
        assert_eq!(one, all[3]);
    }
    let colectiva = desk.get("/v1/registry/apps/colectiva").await;
    assert_eq!(names(&colectiva), ["slug", "name", "role", "tier", "url"]);
    let payment = desk.get("/v1/registry/events/payment.completed").await;
    let wanted = [
        "type",
        "description",
        "senders",
        "receivers",
        "sendersComplete",
        "receiversComplete",
        "schema",
        "example",
        "status",
    ];
    assert_eq!(names(&payment), wanted);
    assert_eq!((&payment["senders"], &payment["status"]), (&json!(["colectiva"]), &json!("active")));
    assert_eq!(desk.get("/v1/registry/events/booking.cancelled").await["status"], "incomplete");
}

#[tokio::test]
async fn an_unknown_type_names_the_nearest() {
    let app = Setup::new().start().await;
    let path = "/v1/registry/events/payment.complete";
    let problem = app.desk().refused(path, 404, "resource.not_found").await;
    assert_eq!(problem["didYouMean"], "payment.completed");
}
