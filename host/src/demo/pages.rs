//! The sample application's other protocol: the contacts of a user in pages, with an `ETag` for the whole list. It is the
//! one that the example plugin `guest/examples/paged-roster` speaks.

use std::hash::{DefaultHasher, Hash, Hasher};

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

/// Contacts on one page: so few that the sample's four people are more than one page.
const PER_PAGE: usize = 2;

/// `?cursor=`
#[derive(Deserialize)]
pub(super) struct PageQuery {
    cursor: Option<usize>,
}

/// One page of `items`, or 304 if the whole list is the one that the client has.
pub(super) fn answer(items: &[Value], query: &PageQuery, if_none_match: Option<&HeaderValue>) -> Response {
    let etag = etag(items);
    if query.cursor.is_none() && if_none_match.is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(header::ETAG, etag)]).into_response();
    }
    let begin = query.cursor.unwrap_or(0).min(items.len());
    let end = items.len().min(begin + PER_PAGE);
    let next = (end < items.len()).then(|| end.to_string());
    let page = items.get(begin..end).unwrap_or_default();
    ([(header::ETAG, etag)], Json(json!({ "items": page, "next": next }))).into_response()
}

fn etag(items: &[Value]) -> String {
    let mut hasher = DefaultHasher::new();
    for item in items {
        item.to_string().hash(&mut hasher);
    }
    format!("\"{:016x}\"", hasher.finish())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use http_body_util::BodyExt;

    use super::*;

    async fn get(items: &[Value], cursor: Option<usize>, known: Option<&str>) -> (u16, Value, Option<String>) {
        let known = known.map(|known| HeaderValue::from_str(known).unwrap());
        let answer = answer(items, &PageQuery { cursor }, known.as_ref());
        let etag = answer.headers().get(header::ETAG).map(|etag| etag.to_str().unwrap().to_owned());
        let status = answer.status().as_u16();
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default(), etag)
    }

    #[tokio::test]
    async fn a_list_comes_in_pages_and_not_at_all_if_it_is_known() {
        let items: Vec<Value> = (0..5).map(|n| json!(n)).collect();
        for (cursor, page) in [
            (None, json!({"items": [0, 1], "next": "2"})),
            (Some(2), json!({"items": [2, 3], "next": "4"})),
            (Some(4), json!({"items": [4], "next": null})),
            (Some(99), json!({"items": [], "next": null})),
        ] {
            assert_eq!(get(&items, cursor, None).await.1, page, "{cursor:?}");
        }
        let etag = get(&items, None, None).await.2.unwrap();
        assert_eq!(get(&items, Some(2), None).await.2.as_ref(), Some(&etag), "the list's, not the page's");
        assert_eq!(get(&items, None, Some(&etag)).await.0, 304);
        assert_eq!(get(&items[..4], None, Some(&etag)).await.0, 200);
    }
}
