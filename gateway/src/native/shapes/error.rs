//! The error object, for the API's description. What is sent is written by
//! `answer::ErrorJson`; a test holds the two together.

use utoipa::ToSchema;

/// Body of every answer that is not a success.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes a shape; never built")]
pub(in crate::native) struct ErrorAnswer {
    error: ErrorDetail,
}

/// What went wrong.
#[derive(ToSchema)]
#[schema(rename_all = "camelCase")]
#[expect(dead_code, reason = "describes a shape; never built")]
pub(in crate::native) struct ErrorDetail {
    /// One of a fixed set, for programs.
    code: String,
    /// For people.
    message: String,
    request_id: Option<String>,
    /// Whether the same request may succeed later.
    retryable: bool,
    #[schema(value_type = Option<Object>)]
    details: Option<()>,
}
