//! Maps customers' names to keys in alphabetical order, so that ranges of letters are ranges of
//! keys.

use gm_data::KeyRange;

const LETTERS: u64 = 26;

/// Customers from one initial letter to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LetterRange {
    first: u64,
    /// The letter after the last one.
    end: u64,
}

impl LetterRange {
    /// Divides the alphabet into `parts` parts of about the same size; at most 26.
    pub(super) fn all(parts: usize) -> Vec<LetterRange> {
        let parts = (parts as u64).clamp(1, LETTERS);
        let at = |number| LETTERS * number / parts;
        (0..parts).map(|number| LetterRange { first: at(number), end: at(number + 1) }).collect()
    }

    /// Key range of these customers.
    pub(super) fn range(self) -> KeyRange {
        let last = start(self.end).saturating_sub(1);
        let key = |number| u32::try_from(number).unwrap_or(u32::MAX);
        KeyRange::new(key(start(self.first)), key(last)).unwrap_or(KeyRange::WHOLE)
    }

    /// Name of the part, for example `A-H`.
    pub(super) fn name(self) -> String {
        let letter = |number: u64| char::from(b'A' + u8::try_from(number % LETTERS).unwrap_or(0));
        format!("{}-{}", letter(self.first), letter(self.end - 1))
    }
}

/// First key of a letter, in 0..=2^32.
fn start(letter: u64) -> u64 {
    KeyRange::WHOLE.width() * letter / LETTERS
}

/// Key of a customer. The alphabetical order of names is the numerical order of keys.
pub(super) fn key_for_name(name: &str) -> u32 {
    let letters =
        name.bytes().filter(u8::is_ascii_alphabetic).map(|byte| u64::from(byte.to_ascii_uppercase() - b'A'));
    let (mut number, mut all) = (0, 1);
    for letter in letters.take(6) {
        number = number * LETTERS + letter;
        all *= LETTERS;
    }
    u32::try_from(KeyRange::WHOLE.width() * number / all).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_parts_divide_the_alphabet_evenly() {
        let names: Vec<_> = LetterRange::all(3).into_iter().map(LetterRange::name).collect();
        assert_eq!(names, ["A-H", "I-Q", "R-Z"]);
    }

    #[test]
    fn parts_are_the_whole_key_space_without_overlap() {
        for number in 1..=26 {
            let ranges: Vec<_> = LetterRange::all(number).into_iter().map(LetterRange::range).collect();
            assert_eq!(ranges.len(), number);
            assert_eq!((ranges[0].start(), ranges[number - 1].end()), (0, u32::MAX));
            assert!(ranges.windows(2).all(|pair| pair[0].end() + 1 == pair[1].start()));
        }
    }

    #[test]
    fn a_name_is_in_the_part_of_its_first_letter() {
        let parts = LetterRange::all(3);
        for (name, part) in
            [("Aaron", 0), ("Hz", 0), ("I", 1), ("Nightingale", 1), ("r", 2), ("Zzzzzzzz", 2), ("", 0)]
        {
            assert!(parts[part].range().contains(key_for_name(name)), "{name}");
        }
        assert!(key_for_name("Nightingale") < key_for_name("Nobel"));
    }
}
