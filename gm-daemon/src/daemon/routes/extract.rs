//! Extractors: the group in the path, the query and the body of a request. Parse errors become
//! refusals of the API.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::request::Parts;
use gm_data::GroupName;
use serde::de::DeserializeOwned;

use super::RouteError;

/// Parses the name of a group.
pub(super) fn parse_group_name(text: &str) -> Result<GroupName, RouteError> {
    GroupName::new(text).map_err(|error| RouteError::usage(format!("invalid group name: {error}")))
}

/// Group named in the path.
pub(super) struct GroupPath(pub(super) GroupName);

impl<S: Send + Sync> FromRequestParts<S> for GroupPath {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<GroupPath, RouteError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        let Path(text) = path.map_err(|error| RouteError::usage(error.body_text()))?;
        parse_group_name(&text).map(GroupPath)
    }
}

/// Parsed query.
pub(super) struct QueryParams<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for QueryParams<T> {
    type Rejection = RouteError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<QueryParams<T>, RouteError> {
        let query = Query::<T>::from_request_parts(parts, state).await;
        query.map(|Query(params)| QueryParams(params)).map_err(|error| RouteError::usage(error.body_text()))
    }
}

/// Parsed body; an empty body stands for `{}`.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = RouteError;

    async fn from_request(request: Request, state: &S) -> Result<JsonBody<T>, RouteError> {
        let body = Bytes::from_request(request, state).await;
        let body = body.map_err(|error| RouteError::usage(error.body_text()))?;
        let text: &[u8] = if body.is_empty() { b"{}" } else { &body };
        let parsed = serde_json::from_slice(text);
        parsed.map(JsonBody).map_err(|error| RouteError::usage(format!("invalid request body: {error}")))
    }
}
