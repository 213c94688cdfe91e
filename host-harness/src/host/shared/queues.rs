//! Queues by the `vm_id` that registered them and their names, and who is to be told of their messages.

use std::collections::{BTreeMap, VecDeque};

use super::super::HostError;

/// Most queues of all VMs together.
pub const MAX_QUEUES: usize = 1024;
/// Most messages that one VM was not told of yet.
pub const MAX_NOTICES: usize = 65_536;

/// A context that is to be told of a message, and the queue's token.
pub(crate) type Notice = (u32, u32);
/// A VM's number in the store, and one of its contexts.
type Registrant = (u64, u32);

#[derive(Debug)]
struct Queue {
    registrant: Registrant,
    messages: VecDeque<Vec<u8>>,
}

#[derive(Debug, Default)]
pub(super) struct Queues {
    tokens: BTreeMap<(String, Vec<u8>), u32>,
    queues: BTreeMap<u32, Queue>,
    last_token: u32,
    notices: BTreeMap<u64, VecDeque<Notice>>,
}

impl Queues {
    /// Finds or makes a queue, whose messages stay. Its last registrant is the one that is told.
    pub(super) fn register(
        &mut self,
        vm_id: &str,
        name: &[u8],
        registrant: Registrant,
    ) -> Result<u32, HostError> {
        if let Ok(token) = self.resolve(vm_id, name) {
            if let Some(queue) = self.queues.get_mut(&token) {
                queue.registrant = registrant;
            }
            return Ok(token);
        }
        if self.queues.len() >= MAX_QUEUES {
            return Err(HostError::Full("shared queues", MAX_QUEUES));
        }
        let token = self.next_token();
        self.tokens.insert((vm_id.to_owned(), name.to_vec()), token);
        self.queues.insert(token, Queue { registrant, messages: VecDeque::new() });
        Ok(token)
    }

    /// Never 0. Ends because queues are bounded.
    fn next_token(&mut self) -> u32 {
        loop {
            self.last_token = self.last_token.wrapping_add(1);
            if self.last_token != 0 && !self.queues.contains_key(&self.last_token) {
                return self.last_token;
            }
        }
    }

    pub(super) fn resolve(&self, vm_id: &str, name: &[u8]) -> Result<u32, HostError> {
        self.tokens.get(&(vm_id.to_owned(), name.to_vec())).copied().ok_or(HostError::NotFound)
    }

    /// Nobody is told if the registrant has gone; the message waits for the next one.
    pub(super) fn enqueue(
        &mut self,
        token: u32,
        message: &[u8],
        is_there: impl FnOnce(u64) -> bool,
    ) -> Result<(), HostError> {
        let queue = self.queues.get_mut(&token).ok_or(HostError::NotFound)?;
        let (vm, context) = queue.registrant;
        if is_there(vm) {
            let notices = self.notices.entry(vm).or_default();
            if notices.len() >= MAX_NOTICES {
                return Err(HostError::Full("messages that a queue's owner was not told of", MAX_NOTICES));
            }
            notices.push_back((context, token));
        }
        queue.messages.push_back(message.to_vec());
        Ok(())
    }

    pub(super) fn dequeue(&mut self, token: u32) -> Result<Vec<u8>, HostError> {
        self.queues.get_mut(&token).ok_or(HostError::NotFound)?.messages.pop_front().ok_or(HostError::Empty)
    }

    pub(super) fn take_notices(&mut self, vm: u64) -> Vec<Notice> {
        self.notices.remove(&vm).unwrap_or_default().into()
    }

    pub(super) fn forget_notices(&mut self, vm: u64) {
        self.notices.remove(&vm);
    }

    /// Removes the queues of a `vm_id`; returns what they took.
    pub(super) fn remove_all_of(&mut self, vm_id: &str) -> usize {
        let mut freed = 0;
        self.tokens.retain(|(owner, _), token| {
            if owner != vm_id {
                return true;
            }
            let queue = self.queues.remove(token);
            freed +=
                queue.map_or(0, |queue| queue.messages.iter().map(|message| super::cost(&[], message)).sum());
            false
        });
        freed
    }
}

#[cfg(test)]
mod tests {
    use super::super::{MAX_SHARED_BYTES, Shared};
    use super::*;

    #[test]
    fn messages_come_in_order_and_their_last_registrant_is_told() {
        let shared = Shared::default();
        let (mut one, mut two, other) =
            (shared.join("a".into()), shared.join("a".into()), shared.join("b".into()));
        assert_eq!(other.resolve_queue(b"a", b"q"), Err(HostError::NotFound), "not yet");
        let token = one.register_queue(b"q", 1).unwrap();
        assert_eq!(two.register_queue(b"q", 1), Ok(token), "the same");
        assert_eq!(other.resolve_queue(b"a", b"q"), Ok(token));
        assert_eq!(two.resolve_queue(b"", b"q"), Ok(token), "no vm_id is the VM's own");
        assert_eq!(other.resolve_queue(b"", b"q"), Err(HostError::NotFound));
        assert_eq!(other.enqueue(token + 1, b"m"), Err(HostError::NotFound));
        for message in [b"1", b"2"] {
            other.enqueue(token, message).unwrap();
        }
        assert_eq!(one.take_notices(), []);
        assert_eq!(two.take_notices(), [(1, token), (1, token)]);
        assert_eq!(two.take_notices(), [], "once");
        let mut out = Vec::new();
        for _ in 0..2 {
            one.dequeue(token, &mut out).unwrap();
        }
        assert_eq!(out, b"12");
        assert_eq!(one.dequeue(token, &mut out), Err(HostError::Empty));
        assert_eq!(one.dequeue(token + 1, &mut out), Err(HostError::NotFound));
    }

    #[test]
    fn a_message_waits_when_nobody_is_there_to_be_told() {
        let shared = Shared::default();
        let (mut one, mut two) = (shared.join("a".into()), shared.join("a".into()));
        let token = one.register_queue(b"q", 1).unwrap();
        drop(one);
        two.enqueue(token, b"m").unwrap();
        assert_eq!(two.register_queue(b"q", 1), Ok(token));
        assert_eq!(two.take_notices(), []);
        let mut out = Vec::new();
        two.dequeue(token, &mut out).unwrap();
        assert_eq!(out, b"m", "preserved");
    }

    #[test]
    fn queues_notices_and_bytes_are_bounded() {
        let shared = Shared::default();
        let mut member = shared.join("a".into());
        let token = member.register_queue(b"q", 1).unwrap();
        for number in 1..MAX_QUEUES {
            member.register_queue(&number.to_le_bytes(), 1).unwrap();
        }
        assert_eq!(member.register_queue(b"r", 1), Err(HostError::Full("shared queues", MAX_QUEUES)));
        let large = vec![0; MAX_SHARED_BYTES / 2];
        member.enqueue(token, &large).unwrap();
        assert!(matches!(member.enqueue(token, &large), Err(HostError::Full(..))));
        member.dequeue(token, &mut Vec::new()).unwrap();
        for _ in 1..MAX_NOTICES {
            member.enqueue(token, b"").unwrap();
            member.dequeue(token, &mut Vec::new()).unwrap();
        }
        assert!(matches!(member.enqueue(token, b""), Err(HostError::Full(_, MAX_NOTICES))));
        drop(member);
        assert_eq!(shared.join("b".into()).resolve_queue(b"a", b"q"), Err(HostError::NotFound));
    }
}
