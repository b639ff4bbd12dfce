//! Any target of a request to the host: its normal form is normal, means the same segments to whoever decodes them, and one is
//! refused exactly if it leads up or has a `%` that is no escape.

use ::http::Uri;
use fault::Fault;
use percent_encoding::percent_decode_str;

#[allow(dead_code, unreachable_pub, missing_docs)]
#[path = "../../host/src/http/requests/fault.rs"]
mod fault;
#[allow(clippy::duplicate_mod)]
#[path = "../../host/src/http/requests/target.rs"]
mod normal;

pub(crate) fn target(data: &[u8]) {
    let Some(uri) = str::from_utf8(data).ok().and_then(|text| text.parse::<Uri>().ok()) else { return };
    if !uri.path().starts_with('/') {
        assert_eq!(normal::normal(&uri), Ok(None), "what is no path stays as it is");
        return;
    }
    let path = uri.path();
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|digit| digit.is_ascii_hexdigit());
    let escapes = path.split('%').skip(1).all(is_escape);
    let segments = |path: &str| -> Vec<Vec<u8>> {
        let decoded = path.split('/').map(|segment| percent_decode_str(segment).collect::<Vec<u8>>());
        decoded.filter(|segment| !segment.is_empty() && segment != b".").collect()
    };
    let meant = segments(path);
    match normal::normal(&uri) {
        Err(Fault::Escape) => assert!(!escapes, "{uri}"),
        Err(Fault::Parent) => assert!(meant.iter().any(|segment| segment == b".."), "{uri}"),
        Err(fault) => panic!("{uri}: {fault}"),
        Ok(changed) => {
            assert!(escapes && !meant.iter().any(|segment| segment == b".."), "{uri}");
            let normal = changed.unwrap_or_else(|| uri.clone());
            assert_eq!(segments(normal.path()), meant, "{uri}");
            assert_eq!((normal.authority(), normal.query()), (uri.authority(), uri.query()));
            assert!(!normal.path().contains("//") && !normal.path().contains("/./"), "{normal}");
            assert_eq!(
                normal::normal(&normal).map(|again| again.unwrap_or_else(|| normal.clone())).as_ref(),
                Ok(&normal)
            );
        }
    }
}
