//! What a request says: the group of its path, its query, its order. Whatever cannot be understood
//! is refused in the shape of every refusal.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use gm_data::GroupName;
use serde::de::DeserializeOwned;

use super::RouteError;

/// The group of a name.
pub(super) fn parse_group_name(text: &str) -> Result<GroupName, RouteError> {
    GroupName::new(text).map_err(|error| RouteError::usage(format!("the group's name: {error}")))
}

/// The group of the path.
pub(super) struct GroupPath(pub(super) GroupName);

impl<S: Send + Sync> FromRequestParts<S> for GroupPath {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<GroupPath, RouteError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| RouteError::usage(error.body_text()))?;
        parse_group_name(&text).map(GroupPath)
    }
}

/// The query.
pub(super) struct QueryParams<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<QueryParams<T>, RouteError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(asked)| QueryParams(asked)).map_err(|error| RouteError::usage(error.body_text()))
    }
}

/// The order; an empty body is the order with nothing said.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = RouteError;

    async fn from_request(request: Request, state: &S) -> Result<JsonBody<T>, RouteError> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| RouteError::usage(error.body_text()))?;
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        let order = serde_json::from_slice(text);
        order
            .map(JsonBody)
            .map_err(|error| RouteError::usage(format!("the order is not understood: {error}")))
    }
}
