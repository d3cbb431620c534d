//! Login, tokens, logout.

use super::answer::{self, Answer};
use super::call::Call;
use super::denied;
use super::json;
use super::shapes::auth::{LoginForm, LogoutForm, RefreshForm, TokenAnswer, TokenForm};
use super::shapes::error::ErrorAnswer;
use crate::auth::{Identity, unauthenticated};
use crate::denied::Who;

/// A token for an application user, valid 15 minutes.
#[utoipa::path(
    post, path = "/v1/auth/token", tag = "auth", request_body = TokenForm, security(()),
    responses(
        (status = 200, description = "The token", body = TokenAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn token(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<TokenForm>(&body)??;
    let peer = call.peer_ip();
    let found = call.auth().user(&form.access_key, &form.secret_key, peer);
    if let Err(error) = &found {
        denied::note_login(&call, error, call.auth().named_user(&form.access_key));
    }
    let user = found?;
    answer::ok(&TokenAnswer::from(call.auth().tokens.for_user(&user)?))
}

/// Tokens for a person.
#[utoipa::path(
    post, path = "/v1/auth/login", tag = "auth", request_body = LoginForm, security(()),
    responses(
        (status = 200, description = "The tokens", body = TokenAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn login(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<LoginForm>(&body)??;
    let peer = call.peer_ip();
    let found = call
        .auth()
        .person(form.tenant, &form.username, &form.password, peer);
    let found = found.await;
    if let Err(error) = &found {
        let tenants = &call.services().tenants;
        let person = tenants.console_user(form.tenant, &form.username);
        denied::note_login(
            &call,
            error,
            person.map(Identity::of_person).as_ref().map(Who::of),
        );
    }
    let user = found?;
    answer::ok(&TokenAnswer::from(call.auth().tokens.for_person(&user)?))
}

/// A new access token for a refresh token.
#[utoipa::path(
    post, path = "/v1/auth/refresh", tag = "auth", request_body = RefreshForm, security(()),
    responses(
        (status = 200, description = "The tokens", body = TokenAnswer),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn refresh(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<RefreshForm>(&body)??;
    let pair = call.auth().tokens.refresh(&form.refresh_token)?;
    answer::ok(&TokenAnswer::from(pair))
}

/// End a login: its access and refresh tokens stop working at once.
#[utoipa::path(
    post, path = "/v1/auth/logout", tag = "auth", request_body = LogoutForm,
    responses(
        (status = 204, description = "Done"),
        (status = "default", description = "An error", body = ErrorAnswer),
    )
)]
pub(super) async fn logout(mut call: Call) -> Answer {
    let body = call.json_body().await?;
    let form = json::read::<LogoutForm>(&body)?;
    let bearer = call
        .header("authorization")
        .and_then(|value| std::str::from_utf8(value).ok())
        .and_then(|value| value.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    let form = form?;
    let mut known = false;
    for token in bearer.into_iter().chain(form.refresh_token.as_deref()) {
        known |= call.auth().tokens.revoke(token).await?;
    }
    if known {
        answer::no_content()
    } else {
        Err(unauthenticated())
    }
}
