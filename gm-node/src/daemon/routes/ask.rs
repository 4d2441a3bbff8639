//! What a request says: the group of its path, its query, its order. Whatever cannot be understood is refused in the shape of every refusal.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use gm_data::GroupName;
use serde::de::DeserializeOwned;

use super::Failure;

/// The group of a name.
pub(super) fn name(text: &str) -> Result<GroupName, Failure> {
    GroupName::new(text).map_err(|error| Failure::usage(format!("the group's name: {error}")))
}

/// The group of the path.
pub(super) struct Of(pub(super) GroupName);

impl<S: Send + Sync> FromRequestParts<S> for Of {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Of, Failure> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| Failure::usage(error.body_text()))?;
        name(&text).map(Of)
    }
}

/// The query.
pub(super) struct Asked<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Asked<T> {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Asked<T>, Failure> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(asked)| Asked(asked)).map_err(|error| Failure::usage(error.body_text()))
    }
}

/// The order; an empty body is the order with nothing said.
pub(super) struct Ordered<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Ordered<T> {
    type Rejection = Failure;

    async fn from_request(request: Request, state: &S) -> Result<Ordered<T>, Failure> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| Failure::usage(error.body_text()))?;
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        let order = serde_json::from_slice(text);
        order.map(Ordered).map_err(|error| Failure::usage(format!("the order is not understood: {error}")))
    }
}
