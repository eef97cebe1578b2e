//! One table of codes for refusals, farewells, WebSocket closes and HTTP problems. `code / 100` says what to do: 40 fix the
//! client, 41 sign in, 42 give up and tell the user, 43 try again later.

use super::v1;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $number:literal, $name:literal, $http:literal, $text:literal;)*) => {
        /// Why not. Numbers and names are stable; texts are for people and may change.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[repr(u16)]
        pub enum Code {
            $($(#[$doc])* $variant = $number,)*
        }

        impl Code {
            /// All of them, by number.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The stable name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// A sentence for people.
            pub const fn text(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// The HTTP status that goes with it; 0: it only ends connections.
            pub const fn http_status(self) -> u16 {
                match self { $(Self::$variant => $http,)* }
            }
        }
    };
}

codes! {
    /// Bytes or JSON that are no frame; bad length; not UTF-8.
    Malformed = 4000, "MALFORMED", 400, "These bytes are no frame.";
    /// This server does not know that request (newer client).
    UnknownRequest = 4001, "UNKNOWN_REQUEST", 404, "This server does not know that request.";
    /// A value is wrong; `field` names it.
    Invalid = 4002, "INVALID", 400, "A value is wrong.";
    /// Over an announced limit; bye only if the frame's start cannot be read.
    TooLarge = 4003, "TOO_LARGE", 413, "This is over an announced limit.";
    /// Before hello, or hello twice.
    OutOfOrder = 4004, "OUT_OF_ORDER", 400, "Not now: say hello first, and once.";
    /// Major version or feature not served.
    Unsupported = 4005, "UNSUPPORTED", 426, "This server does not serve that version or feature.";
    /// Same key, other content.
    KeyReused = 4006, "KEY_REUSED", 422, "The same key came with other content.";
    /// A version or ordinal from the future.
    BadCursor = 4007, "BAD_CURSOR", 400, "That version or ordinal has not been reached yet.";
    /// Wrong handle, password, token or signature: one answer, one duration.
    Unauthenticated = 4100, "UNAUTHENTICATED", 401, "Wrong handle, password or token.";
    /// The token has expired or was revoked.
    SignedOut = 4101, "SIGNED_OUT", 401, "This token has expired or was revoked.";
    /// Not there, or not for you to know (also: not a member).
    NotFound = 4200, "NOT_FOUND", 404, "Not there, or not for you to know.";
    /// Your role does not allow it.
    Forbidden = 4201, "FORBIDDEN", 403, "Your role does not allow that.";
    /// They do not take messages from you.
    Blocked = 4202, "BLOCKED", 403, "They do not take messages from you.";
    /// Contacts only.
    NotContact = 4203, "NOT_CONTACT", 403, "Contacts only.";
    /// You or all are muted.
    Muted = 4204, "MUTED", 403, "You or all are muted.";
    /// A cap is reached (members, contacts, groups, devices).
    Full = 4205, "FULL", 409, "A cap is reached.";
    /// Handle taken, already a member.
    Exists = 4206, "EXISTS", 409, "That is taken already.";
    /// The time for edit or recall is over, or the key is older than any that is still kept.
    TooLate = 4207, "TOO_LATE", 409, "The time for that is over.";
    /// The before-send hook said no; `text` is its word.
    Rejected = 4208, "REJECTED", 403, "That was rejected.";
    /// Registration or joining is closed.
    Closed = 4209, "CLOSED", 403, "Registration or joining is closed.";
    /// The account is disabled.
    Disabled = 4210, "DISABLED", 403, "The account is disabled.";
    /// This device signed in elsewhere.
    Replaced = 4211, "REPLACED", 0, "This device signed in elsewhere.";
    /// Above your rate.
    RateLimited = 4300, "RATE_LIMITED", 429, "Too many messages.";
    /// Overload; lowest priorities are shed first.
    Busy = 4301, "BUSY", 503, "The server is busy.";
    /// No room in the log; reading goes on.
    DiskFull = 4302, "DISK_FULL", 507, "The server has no room left; reading goes on.";
    /// This node is a standby, or being restored.
    ReadOnly = 4303, "READ_ONLY", 503, "This server takes no changes now.";
    /// Shutting down or handing over.
    GoingAway = 4304, "GOING_AWAY", 503, "The server is going away.";
    /// Nothing heard for 1.5 x idle_ms.
    Idle = 4305, "IDLE", 0, "Nothing was heard for too long.";
    /// No hello in time.
    HelloTimeout = 4306, "HELLO_TIMEOUT", 0, "No hello came in time.";
    /// Connections, devices or attempts from this address or user.
    TooMany = 4307, "TOO_MANY", 429, "Too many connections, devices or attempts.";
    /// Our fault, logged; it may have happened: ask again with the same key.
    Fault = 4308, "FAULT", 500, "Our fault; ask again with the same key.";
}

impl Code {
    /// The number on the wire.
    pub const fn number(self) -> u16 {
        self as u16
    }

    /// The code of a number; `None`: a number of a newer server.
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| u32::from(code.number()) == number)
    }
}

/// A typed "no".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Why not.
    pub code: Code,
    /// 40xx and some 42xx: which field; empty: none.
    pub field: &'static str,
    /// 43xx: not before so many milliseconds; 0: not said.
    pub retry_ms: u32,
}

impl Refusal {
    /// A refusal that names no field.
    pub const fn of(code: Code) -> Self {
        Self { code, field: "", retry_ms: 0 }
    }

    /// The same, naming the field that is wrong.
    pub const fn field(self, field: &'static str) -> Self {
        Self { field, ..self }
    }

    /// The same, to be tried again after `retry_ms`.
    pub const fn retry(self, retry_ms: u32) -> Self {
        Self { retry_ms, ..self }
    }

    /// As it stands in a frame.
    pub fn to_wire(self) -> v1::Refusal {
        v1::Refusal {
            code: u32::from(self.code.number()),
            name: self.code.name().into(),
            text: self.code.text().into(),
            retry_ms: self.retry_ms,
            field: self.field.into(),
        }
    }
}
