//! Accounts and their devices.

use super::inbox::Inbox;
use super::keys::Keys;
use crate::ids::{DeviceId, Version};
use crate::wire::{Code, Refusal};

/// SHA-256 of a session token.
pub(super) type Token = [u8; 32];

/// Handles are 3 to 32 bytes of a-z 0-9 . _ - and begin with a letter; they are compared without case.
const HANDLE: std::ops::RangeInclusive<usize> = 3..=32;
/// Names to show are at most so many bytes.
const NAME: usize = 64;

#[derive(Debug, Default)]
pub(super) struct User {
    pub(super) handle: Box<str>,
    pub(super) name: Box<str>,
    pub(super) secret: Box<str>,
    /// Grows with every change of the secret.
    pub(super) credential: u32,
    pub(super) devices: Vec<Device>,
    /// Devices that ever were: a device's number is never used again.
    pub(super) devices_made: u32,
    pub(super) inbox: Inbox,
}

/// An install of a user, with what it keeps between connections.
#[derive(Debug)]
pub(super) struct Device {
    pub(super) id: DeviceId,
    pub(super) token: Token,
    pub(super) name: Box<str>,
    pub(super) kind: u32,
    /// The journaled cursor: everything up to here is safe on the device.
    pub(super) acked: Version,
    pub(super) keys: Keys,
}

impl User {
    pub(super) fn new(handle: &str, name: &str, secret: &str) -> Self {
        Self { handle: handle.into(), name: name.into(), secret: secret.into(), credential: 1, ..Self::default() }
    }

    pub(super) fn device(&self, id: DeviceId) -> Option<&Device> {
        self.devices.iter().find(|device| device.id == id)
    }

    pub(super) fn device_mut(&mut self, id: DeviceId) -> Option<&mut Device> {
        self.devices.iter_mut().find(|device| device.id == id)
    }

    /// Adds a device, or gives one a new token and returns its old one.
    pub(super) fn add(&mut self, device: Device) -> Option<Token> {
        self.devices_made = self.devices_made.max(device.id.0);
        let Some(known) = self.device_mut(device.id) else {
            self.devices.push(device);
            return None;
        };
        Some(std::mem::replace(&mut known.token, device.token))
    }

    pub(super) fn remove(&mut self, id: DeviceId) -> Option<Device> {
        let at = self.devices.iter().position(|device| device.id == id)?;
        Some(self.devices.remove(at))
    }
}

impl Device {
    pub(super) fn new(id: DeviceId, token: Token, name: &str, kind: u32) -> Self {
        Self { id, token, name: name.into(), kind, acked: Version(0), keys: Keys::default() }
    }
}

/// The form in which handles are compared.
pub(super) fn fold(handle: &str) -> String {
    handle.to_ascii_lowercase()
}

/// Whether a new account may have this handle and name.
pub(super) fn check(handle: &str, name: &str) -> Result<(), Refusal> {
    let letters = handle.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    if !HANDLE.contains(&handle.len()) || !letters || !handle.as_bytes()[0].is_ascii_alphabetic() {
        return Err(Refusal::of(Code::Invalid).field("handle"));
    }
    if name.len() > NAME {
        return Err(Refusal::of(Code::Invalid).field("name"));
    }
    Ok(())
}
