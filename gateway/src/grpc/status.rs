//! The one table from the error vocabulary to the status codes of the protocol, and
//! the failure that every call of it ends with.

use firn_protocol::{ApiError, ErrorCode};

use super::wire::{Code, Status};

/// What a call of this protocol answers.
pub(super) type Outcome<T> = Result<T, Failure>;

/// Why a call, or one entry of it, came to nothing.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: Code,
    pub(super) text: String,
    /// The error behind it, if it is none of the protocol's own.
    pub(super) cause: Option<ErrorCode>,
}

impl Failure {
    pub(super) fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            cause: None,
        }
    }

    /// What is not offered.
    pub(super) fn unsupported(what: &str) -> Self {
        Self::new(Code::Unsupported, format!("{what} are not offered"))
    }

    /// The same under another code.
    pub(super) fn under(mut self, code: Code) -> Self {
        self.code = code;
        self
    }

    pub(super) fn status(&self) -> Status {
        Status {
            code: self.code.into(),
            message: self.text.clone(),
        }
    }

    /// The status class of HTTP that the code stands for, for metrics.
    pub(super) fn http_status(&self) -> u16 {
        u16::try_from(i32::from(self.code) / 100).unwrap_or(500)
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self {
            code: code_of(&error),
            cause: Some(error.code),
            text: error.message,
        }
    }
}

pub(super) fn ok() -> Status {
    Status {
        code: Code::Ok.into(),
        message: "OK".to_owned(),
    }
}

/// The status of an answer with these of its entries: what all share, else
/// `MULTIPLE_RESULTS`. Most clients look at nothing else.
pub(super) fn of_entries<'a>(mut entries: impl Iterator<Item = &'a Status>) -> Status {
    let Some(first) = entries.next() else {
        return ok();
    };
    match entries.all(|entry| entry.code == first.code) {
        true => first.clone(),
        false => Status {
            code: Code::MultipleResults.into(),
            message: "entries have results of their own".to_owned(),
        },
    }
}

fn code_of(error: &ApiError) -> Code {
    match error.code {
        ErrorCode::BadRequest | ErrorCode::InvalidName => code_of_field(&error.message),
        ErrorCode::InvalidFilter => Code::IllegalFilterExpression,
        ErrorCode::InvalidReceiptHandle => Code::InvalidReceiptHandle,
        ErrorCode::MessageTypeMismatch => Code::MessagePropertyConflictWithType,
        ErrorCode::UnsupportedMediaType => Code::BadRequest,
        ErrorCode::Unauthenticated => Code::Unauthorized,
        ErrorCode::Forbidden
        | ErrorCode::GroupDisabled
        | ErrorCode::TopicNotWritable
        | ErrorCode::TopicNotReadable
        | ErrorCode::QuotaExceeded
        | ErrorCode::InstanceFrozen => Code::Forbidden,
        ErrorCode::InstanceNotFound | ErrorCode::NotFound => Code::NotFound,
        ErrorCode::TopicNotFound => Code::TopicNotFound,
        ErrorCode::GroupNotFound => Code::ConsumerGroupNotFound,
        ErrorCode::MessageNotFound => Code::MessageNotFound,
        ErrorCode::TransactionNotFound => Code::InvalidTransactionId,
        ErrorCode::MethodNotAllowed => Code::Unsupported,
        ErrorCode::AlreadyExists
        | ErrorCode::InUse
        | ErrorCode::Conflict
        | ErrorCode::AlreadyDelivered => Code::PreconditionFailed,
        ErrorCode::MessageTooLarge => Code::MessageBodyTooLarge,
        ErrorCode::RequestTooLarge => Code::PayloadTooLarge,
        ErrorCode::RateLimited | ErrorCode::Overloaded => Code::TooManyRequests,
        // Some of it may be stored: the one code that says so.
        ErrorCode::StorageUnavailable if is_outcome_unknown(error) => {
            Code::MasterPersistenceTimeout
        }
        ErrorCode::StorageUnavailable
        | ErrorCode::DiskFull
        | ErrorCode::CatalogueUnavailable
        | ErrorCode::NotOwner => Code::HaNotAvailable,
        ErrorCode::DataDamaged | ErrorCode::Internal => Code::InternalServerError,
    }
}

fn is_outcome_unknown(error: &ApiError) -> bool {
    let mut details = error.details.iter();
    details.any(|(name, _)| *name == "outcomeUnknown")
}

/// A broken rule of a field: its name is what the text begins with.
fn code_of_field(text: &str) -> Code {
    let field = text.split([':', '[']).next().unwrap_or_default();
    match field {
        "tag" => Code::IllegalMessageTag,
        "keys" => Code::IllegalMessageKey,
        "properties" => Code::IllegalMessagePropertyKey,
        "messageGroup" => Code::IllegalMessageGroup,
        "messageId" => Code::IllegalMessageId,
        "deliverAt" => Code::IllegalDeliveryTime,
        "invisibleSeconds" => Code::IllegalInvisibleTime,
        _ => Code::BadRequest,
    }
}

/// Whether the client is the Rust library.
pub(super) fn is_rust(language: &str) -> bool {
    language.eq_ignore_ascii_case("rust")
}

/// The code as this client knows it: the Rust client of before ends with a panic at
/// codes that came after it.
pub(super) fn known_to(language: &str, code: Code) -> Code {
    if !is_rust(language) {
        return code;
    }
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the codes of later revisions"
    )]
    match code {
        Code::IllegalOffset | Code::IllegalLiteTopic | Code::MessageBodyEmpty => Code::BadRequest,
        Code::OffsetNotFound => Code::NotFound,
        Code::LiteTopicQuotaExceeded | Code::LiteSubscriptionQuotaExceeded => Code::TooManyRequests,
        code => code,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_of_fields_are_found_by_their_names() {
        let rows = [
            ("tag", Code::IllegalMessageTag),
            ("keys[3]", Code::IllegalMessageKey),
            ("properties", Code::IllegalMessagePropertyKey),
            ("messageGroup", Code::IllegalMessageGroup),
            ("messageId", Code::IllegalMessageId),
            ("deliverAt", Code::IllegalDeliveryTime),
            ("max", Code::BadRequest),
        ];
        for (field, code) in rows {
            let failure = Failure::from(ApiError::field(field, "wrong"));
            assert_eq!(failure.code, code, "{field}");
        }
    }

    #[test]
    fn a_send_that_may_be_stored_says_so() {
        let unknown = Failure::from(ApiError::outcome_unknown("lost"));
        assert_eq!(unknown.code, Code::MasterPersistenceTimeout);
        let refused = ApiError::new(ErrorCode::StorageUnavailable, "away");
        assert_eq!(Failure::from(refused).code, Code::HaNotAvailable);
    }

    #[test]
    fn an_old_client_gets_codes_that_it_knows() {
        let codes = [40019, 40020, 40404, 41302, 42901, 42902];
        for code in codes {
            let code = Code::try_from(code).unwrap();
            assert_ne!(known_to("RUST", code), code);
            assert_eq!(known_to("JAVA", code), code);
        }
        assert_eq!(known_to("RUST", Code::TopicNotFound), Code::TopicNotFound);
    }

    #[test]
    fn a_top_status_is_what_all_entries_share() {
        let bad = Failure::new(Code::IllegalMessageTag, "tag").status();
        assert_eq!(of_entries([&bad].into_iter()), bad);
        assert_eq!(of_entries([&ok(), &ok()].into_iter()), ok());
        let mixed = of_entries([&ok(), &bad].into_iter());
        assert_eq!(mixed.code, i32::from(Code::MultipleResults));
    }
}
