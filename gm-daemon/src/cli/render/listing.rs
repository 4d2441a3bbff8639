//! Streaming of long answers: the head, then the entries of the list as they arrive, then a
//! summary.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Formats a streamed answer. Each method returns the text to print at that point.
pub(crate) trait ListRenderer {
    /// The answer with an empty list, which is its last field.
    type Head: Serialize + DeserializeOwned;
    /// An entry of the list.
    type Item: Serialize + DeserializeOwned;

    /// Takes entries out of the head's own list, where daemons of earlier versions send them.
    fn items(head: &mut Self::Head) -> Vec<Self::Item>;

    /// Formats the next entry.
    fn item(&mut self, item: &Self::Item) -> String;

    /// Formats the end of the answer.
    fn end(&mut self, head: &Self::Head) -> String;
}

/// Formats a whole answer.
#[cfg(test)]
pub(super) fn render_list<L: ListRenderer>(mut listing: L, mut head: L::Head) -> String {
    let items = L::items(&mut head);
    let mut text: String = items.iter().map(|item| listing.item(item)).collect();
    text.push_str(&listing.end(&head));
    text
}
