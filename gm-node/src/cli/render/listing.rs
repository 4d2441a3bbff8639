//! An answer that is as long as the state of a group, shown as it comes: its head, then what is in
//! its list, then what is known at the end. Knows no answer.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// How such an answer becomes text for people. Each part returns what is to be printed now.
pub(crate) trait ListRenderer {
    /// The answer, which comes with an empty list, the last of its fields.
    type Head: Serialize + DeserializeOwned;
    /// What is in the list.
    type Item: Serialize + DeserializeOwned;

    /// What came in the list of the head after all, as daemons of earlier versions send it.
    fn items(head: &mut Self::Head) -> Vec<Self::Item>;

    /// The next in the list.
    fn item(&mut self, item: &Self::Item) -> String;

    /// The list is over.
    fn end(&mut self, head: &Self::Head) -> String;
}

/// The text of a whole answer.
#[cfg(test)]
pub(super) fn render_list<L: ListRenderer>(mut listing: L, mut head: L::Head) -> String {
    let items = L::items(&mut head);
    let mut text: String = items.iter().map(|item| listing.item(item)).collect();
    text.push_str(&listing.end(&head));
    text
}
