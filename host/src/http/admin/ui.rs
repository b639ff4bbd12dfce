//! `GET /ui`: a page for the operator. It is files and nothing else: whoever opens it is asked for the token, and what it shows
//! is what the other routes answer to that.

use axum::extract::Path;
use axum::response::Response;

use super::AdminError;
use crate::http::answers::page::{PageFile, answer};

const FILES: [PageFile; 8] = [
    PageFile { name: "index.html", content: include_bytes!("page/index.html") },
    PageFile { name: "layout.css", content: include_bytes!("page/layout.css") },
    PageFile { name: "main.js", content: include_bytes!("page/main.js") },
    PageFile { name: "api.js", content: include_bytes!("page/api.js") },
    PageFile { name: "users.js", content: include_bytes!("page/users.js") },
    PageFile { name: "plugins.js", content: include_bytes!("page/plugins.js") },
    PageFile { name: "words.js", content: include_bytes!("page/words.js") },
    PageFile { name: "plots.js", content: include_bytes!("page/plots.js") },
];

/// `GET /ui`
pub(super) async fn index() -> Result<Response, AdminError> {
    answer(&FILES, "index.html", "").ok_or(AdminError::NotFound)
}

/// `GET /ui/{file}`
pub(super) async fn file(Path(file): Path<String>) -> Result<Response, AdminError> {
    answer(&FILES, &file, "").ok_or(AdminError::NotFound)
}
