//! Paths as they are tolerated (SEED_SPEC 4, I-01 to I-03), brought to the one form that
//! the table of routes has.

use std::sync::Arc;

/// The canonical form of a path of the management API; `None` for other paths.
pub(crate) fn canonical(path: &str) -> Option<Arc<str>> {
    let rest = path.strip_prefix("/api/")?;
    let mut segments: Vec<&str> = rest.trim_end_matches('/').split('/').collect();
    if segments[0] == "manage" {
        segments[0] = "manager";
    }
    if segments.starts_with(&["manager", "messages", "messages"]) {
        segments.remove(1);
    }
    match segments[..] {
        ["manager", name, "tps"] if !is_literal(name) => {
            segments = vec!["manager", "cluster", name, "tps"];
        }
        ["manager", "topics", name] if name != "consumeOffset" => segments.push("basedatas"),
        _ => {}
    }
    Some(format!("/api/{}", segments.join("/")).into())
}

/// Words that stand where an instance's name could be (SEED_SPEC 5.0).
fn is_literal(segment: &str) -> bool {
    matches!(
        segment,
        "cluster" | "topics" | "subscriptions" | "producers" | "messages"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tolerated_paths_come_to_one_form() {
        for (given, expected) in [
            (
                "/api/manage/topics/0524/basedatas",
                "/api/manager/topics/0524/basedatas",
            ),
            (
                "/api/manager/topics/0524/",
                "/api/manager/topics/0524/basedatas",
            ),
            ("/api/manager/topics", "/api/manager/topics"),
            (
                "/api/manage/topics/consumeOffset/",
                "/api/manager/topics/consumeOffset",
            ),
            ("/api/manager/0524/tps", "/api/manager/cluster/0524/tps"),
            (
                "/api/manager/cluster/0524/tps",
                "/api/manager/cluster/0524/tps",
            ),
            ("/api/manager/cluster/tps", "/api/manager/cluster/tps"),
            (
                "/api/manage/messages/messages/offset",
                "/api/manager/messages/offset",
            ),
            ("/api/manager/messages/0A", "/api/manager/messages/0A"),
            ("/api/access/account/", "/api/access/account"),
            ("/api/", "/api/"),
        ] {
            assert_eq!(canonical(given).as_deref(), Some(expected), "{given}");
        }
        assert_eq!(canonical("/v1/instances"), None);
        assert_eq!(canonical("/apis/x"), None);
    }
}
