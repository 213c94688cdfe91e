//! The callbacks of a head, which ABI 0.1.0 makes without the end of stream.

use super::{Vm, VmError};
use crate::host::Direction;

impl Vm {
    /// Tells the guest of a head by context, number of entries and end of stream; returns its action.
    pub(super) fn tell_head(
        &mut self,
        direction: Direction,
        (context, count, end_of_stream): (u32, u32, u32),
    ) -> Result<u32, VmError> {
        let (full, short) = ((context, count, end_of_stream), (context, count));
        match direction {
            Direction::Request | Direction::Downstream => {
                let name = "proxy_on_request_headers";
                match self.exports.request_headers_without_end.is_some() {
                    true => self.call(name, context, |all| &all.request_headers_without_end, short, 0),
                    false => self.call(name, context, |all| &all.request_headers, full, 0),
                }
            }
            Direction::Response | Direction::Upstream => {
                let name = "proxy_on_response_headers";
                match self.exports.response_headers_without_end.is_some() {
                    true => self.call(name, context, |all| &all.response_headers_without_end, short, 0),
                    false => self.call(name, context, |all| &all.response_headers, full, 0),
                }
            }
        }
    }
}
