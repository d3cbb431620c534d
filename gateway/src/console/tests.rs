use super::*;

const BUILT: &[File] = &[
    File {
        path: "assets/main-1a2b.js",
        content_type: "text/javascript; charset=utf-8",
        plain: b"plain",
        gzip: Some(b"packed"),
    },
    File {
        path: "favicon.svg",
        content_type: "image/svg+xml",
        plain: b"<svg/>",
        gzip: None,
    },
    File {
        path: "index.html",
        content_type: "text/html; charset=utf-8",
        plain: b"<html>",
        gzip: None,
    },
];

async fn get(files: &[File], path: &str, takes_gzip: bool) -> (HttpResponse, Vec<u8>) {
    let response = serve(files, path, takes_gzip).expect("an answer");
    let (response, body) = response.into_parts();
    let bytes = actix_web::body::to_bytes(body).await.expect("a body");
    (
        response.set_body(actix_web::body::BoxBody::new(())),
        bytes.to_vec(),
    )
}

fn head<'a>(response: &'a HttpResponse, name: &str) -> &'a str {
    let value = response.headers().get(name);
    value.map_or("", |value| value.to_str().expect("text"))
}

#[actix_web::test]
async fn files_are_served_as_they_may_be_kept() {
    let (response, body) = get(BUILT, "/console/assets/main-1a2b.js", true).await;
    assert_eq!(body, b"packed");
    assert_eq!(head(&response, "content-encoding"), "gzip");
    assert_eq!(head(&response, "vary"), "accept-encoding");
    assert!(head(&response, "cache-control").contains("immutable"));
    let (response, body) = get(BUILT, "/console/assets/main-1a2b.js", false).await;
    assert_eq!(body, b"plain");
    assert_eq!(head(&response, "content-encoding"), "");
    let (response, _) = get(BUILT, "/console/favicon.svg", true).await;
    assert_eq!(head(&response, "cache-control"), "no-cache");
}

#[actix_web::test]
async fn a_deep_link_gets_the_page_and_an_old_script_does_not() {
    for path in [
        "/console/",
        "/console/i/demo/topics",
        "/console/i/demo/topics/%25DLQ%25workers",
        "/console/../index.html",
        "/console/assets",
    ] {
        let (response, body) = get(BUILT, path, true).await;
        assert_eq!(body, b"<html>", "{path}");
        assert_eq!(head(&response, "cache-control"), "no-cache");
    }
    let gone = serve(BUILT, "/console/assets/main-0000.js", true);
    assert_eq!(gone.expect_err("gone").code, ErrorCode::NotFound);
}

#[actix_web::test]
async fn nothing_foreign_runs_and_nobody_frames_it() {
    for files in [BUILT, &[]] {
        let (response, _) = get(files, "/console/", false).await;
        let policy = head(&response, "content-security-policy");
        for part in [
            "default-src 'none'",
            "script-src 'self';",
            "connect-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(part), "{part}: {policy}");
        }
        assert!(!policy.contains("unsafe-eval"));
        assert_eq!(head(&response, "x-content-type-options"), "nosniff");
    }
}

#[actix_web::test]
async fn a_binary_without_the_console_says_so() {
    let (_, body) = get(&[], "/console/i/demo", false).await;
    let text = String::from_utf8(body).expect("text");
    assert!(text.contains("without the web console"), "{text}");
}

#[test]
fn gzip_is_taken_only_if_it_is_accepted() {
    for yes in ["gzip", "br, GZIP", "deflate, gzip;q=0.5", "gzip; q=1.0"] {
        assert!(accepts_gzip(yes), "{yes}");
    }
    for no in ["", "br", "gzip;q=0", "gzip; q=0.0", "xgzip", "gzip;q=no"] {
        assert!(!accepts_gzip(no), "{no}");
    }
}

#[test]
fn files_are_sorted_and_have_a_page_if_any() {
    assert!(FILES.is_sorted_by_key(|file| file.path));
    assert!(FILES.is_empty() || FILES.iter().any(|file| file.path == PAGE));
}
