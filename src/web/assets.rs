//! The style sheet, the script and the icon, in the binary.
//!
//! Each is served under a name with its digest, so that a browser may keep it for ever; a newer build has
//! another name for it.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use sha2::{Digest, Sha256};

use crate::http::problem::not_found;

/// One file.
pub(super) struct Asset {
    /// Where it is.
    pub(super) path: String,
    tag: String,
    kind: &'static str,
    text: &'static str,
}

impl Asset {
    fn new(name: &str, ending: &str, kind: &'static str, text: &'static str) -> Self {
        let digest = hex::encode(&Sha256::digest(text)[..8]);
        Self { path: format!("/assets/{name}-{digest}.{ending}"), tag: format!("\"{digest}\""), kind, text }
    }
}

/// The style of all pages.
pub(super) static STYLE: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("camino", "css", "text/css; charset=utf-8", include_str!("assets/camino.css"))
});
/// What keeps pages fresh.
pub(super) static SCRIPT: LazyLock<Asset> = LazyLock::new(|| {
    Asset::new("camino", "js", "text/javascript; charset=utf-8", include_str!("assets/camino.js"))
});
/// The icon in the browser's tab.
pub(super) static ICON: LazyLock<Asset> =
    LazyLock::new(|| Asset::new("icon", "svg", "image/svg+xml", include_str!("assets/icon.svg")));

pub(super) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(serve))
}

async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    let all = [&*STYLE, &*SCRIPT, &*ICON];
    let named = |asset: &&&Asset| asset.path.strip_prefix("/assets/") == Some(name.as_str());
    let Some(asset) = all.iter().find(named) else { return not_found().await.into_response() };
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == asset.tag.as_bytes());
    let kept = [
        (CONTENT_TYPE, asset.kind),
        (ETAG, asset.tag.as_str()),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // An image of this kind may be opened as a page of its own.
        (CONTENT_SECURITY_POLICY, "default-src 'none'"),
    ];
    if is_known {
        (StatusCode::NOT_MODIFIED, kept).into_response()
    } else {
        (kept, asset.text).into_response()
    }
}
