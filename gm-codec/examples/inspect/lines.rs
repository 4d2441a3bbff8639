//! Printing of one line per field, and of a payload's fields.

use std::fmt::Write as _;

use gm_codec::{Limits, Payload, TracedField};

/// Maximum number of bytes that are shown of a field.
const SHOWN: usize = 16;

/// Appends the line of a field: offset, bytes, name, value.
pub(crate) fn print_field(bytes: &[u8], field: &TracedField, out: &mut String) {
    let TracedField { at, len, name, value } = field;
    let of = &bytes[*at..at + len];
    let more = if *len > SHOWN { ".." } else { "" };
    let shown: String = of.iter().take(SHOWN).map(|byte| format!("{byte:02x}")).collect();
    let value = if *len > SHOWN && value.len() > 80 { format!("{len} bytes") } else { value.clone() };
    let line = format!("{at:>6}  {:<36}{name:<20}{value}", shown + more);
    writeln!(out, "{}", line.trim_end()).expect("writing to a string never fails");
}

/// Appends an error and its offset.
pub(crate) fn print_error(at: usize, name: &str, why: &str, out: &mut String) {
    writeln!(out, "{at:>6}  {name}: {why}").expect("writing to a string never fails");
}

/// Appends the fields of a payload. Returns whether it is valid.
pub(crate) fn print_payload(bytes: &[u8], limits: &Limits, out: &mut String) -> bool {
    writeln!(out, "payload of {} bytes", bytes.len()).expect("writing to a string never fails");
    match Payload::decode_traced(bytes, limits, &mut |field| print_field(bytes, &field, out)) {
        Ok(_) => true,
        Err(error) => {
            print_error(error.at, error.error.name(), &error.error.to_string(), out);
            false
        }
    }
}
