//! Codes.
/// A code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Code {
    /// Malformed.
    Malformed = 4000,
    /// Fault.
    Fault = 4308,
}
/// A typed "no".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Code.
    pub code: Code,
    /// Field.
    pub field: &'static str,
    /// Retry.
    pub retry_ms: u32,
}
