//! What a guest was told and what it asked for: callbacks, and the hostcalls in each, in words.
//!
//! Pure data: `abi` fills it, whoever shows it reads it. Secrets are not in it.
//! `proxy_get_header_map_value(map: request headers, key: "x-a") → NotFound: there is no header of that name`

use serde::Serialize;

use super::StreamId;

/// Most hostcalls of a transcript that is not taken; those beyond are counted.
pub const MAX_TRANSCRIPT_HOSTCALLS: usize = 65_536;

/// Callbacks in order. Empty unless the VM was started [`instrumented`](super::PluginOptions::instrumented).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Transcript {
    /// In the order in which they began.
    pub callbacks: Vec<CallbackRecord>,
    /// Hostcalls and callbacks left out because too many were not taken.
    pub left_out: u64,
    #[serde(skip)]
    hostcalls: usize,
}

/// One callback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CallbackRecord {
    /// The context: 1 is the plugin's own, others are streams'.
    pub context: u32,
    /// Such as `proxy_on_request_headers`.
    pub name: &'static str,
    /// Its numbers, the context's first.
    pub arguments: String,
    /// What the guest asked for meanwhile.
    pub hostcalls: Vec<HostcallRecord>,
    /// Hostcalls left out from here on because too many were not taken.
    pub left_out: u64,
    /// What the guest returned, if it did.
    pub returned: Option<String>,
}

/// One hostcall.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostcallRecord {
    /// Such as `proxy_get_property`.
    pub name: String,
    /// What the guest gave, decoded.
    pub arguments: Vec<Field>,
    /// The result: a status of the ABI or an error number of WASI; `None` of a hostcall that ended the guest.
    pub result: Option<u32>,
    /// The result's name, such as `NotFound`.
    pub status: &'static str,
    /// What the guest got, decoded.
    pub gave: Vec<Field>,
    /// Why the result is not OK.
    pub why: Option<Why>,
}

/// A name and what it stands for, readable and cut to a reasonable length.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    /// Such as `key`.
    pub name: &'static str,
    /// Text in quotes, numbers by their name if they have one.
    pub value: String,
}

/// Why a hostcall was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Why {
    /// The rule that was broken, and how to mend it.
    pub rule: String,
    /// Where that is written down.
    pub see: String,
}

impl HostcallRecord {
    /// Whether the guest got what it asked for.
    pub fn is_ok(&self) -> bool {
        self.result == Some(0)
    }

    /// Whether a rule was broken. That a thing is not there, a queue is empty or somebody was faster is an
    /// answer; so are WASI's error numbers.
    pub fn is_refused(&self) -> bool {
        !matches!(self.result, Some(0 | 1 | 7 | 8))
            && (self.result.is_none() || self.name.starts_with("proxy_"))
    }

    /// What the guest gave by that name.
    pub fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find(|field| field.name == name).map(|field| field.value.as_str())
    }
}

impl CallbackRecord {
    /// Whether something in it is not OK, or it did not return.
    pub fn has_failures(&self) -> bool {
        self.returned.is_none() || self.hostcalls.iter().any(|hostcall| !hostcall.is_ok())
    }
}

impl Transcript {
    /// The callbacks of one stream.
    pub fn of(&self, stream: StreamId) -> impl Iterator<Item = &CallbackRecord> {
        self.callbacks.iter().filter(move |callback| callback.context == stream.0)
    }

    /// Every hostcall that was refused, with its callback's name.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, &HostcallRecord)> {
        self.callbacks.iter().flat_map(|callback| {
            let refused = callback.hostcalls.iter().filter(|hostcall| !hostcall.is_ok());
            refused.map(|hostcall| (callback.name, hostcall))
        })
    }

    /// A callback begins.
    pub(crate) fn begin(&mut self, context: u32, name: &'static str, arguments: String) {
        let hostcalls = Vec::new();
        if self.has_room() {
            let (left_out, returned) = (0, None);
            self.callbacks.push(CallbackRecord { context, name, arguments, hostcalls, left_out, returned });
        }
    }

    /// The callback that began last has returned.
    pub(crate) fn end(&mut self, returned: String) {
        if let Some(callback) = self.callbacks.last_mut() {
            callback.returned = Some(returned);
        }
    }

    /// A hostcall of the callback that began last.
    pub(crate) fn push(&mut self, hostcall: HostcallRecord) {
        let has_room = self.has_room();
        match self.callbacks.last_mut() {
            Some(callback) if has_room => callback.hostcalls.push(hostcall),
            Some(callback) => callback.left_out += 1,
            None => {}
        }
    }

    /// Callbacks count, too: a guest that asks for nothing is told of much.
    fn has_room(&mut self) -> bool {
        let has_room = self.hostcalls < MAX_TRANSCRIPT_HOSTCALLS;
        if has_room {
            self.hostcalls += 1;
        } else {
            self.left_out += 1;
        }
        has_room
    }
}
