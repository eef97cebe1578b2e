//! The admin door: what an operator on the machine asks.

use prost::Message;
use ringdove_core::ids::{ConnectionId, DeviceId, UserId};
use ringdove_core::rings::{AnswerBody, Command, Imported, Parcel};
use ringdove_core::wire::admin::admin_frame::Request;
use ringdove_core::wire::admin::change::What;
use ringdove_core::wire::names::{NAME, PASSWORD, is_handle, is_line};
use ringdove_core::wire::{Code, Refusal, admin, frame};
use zeroize::Zeroizing;

use super::Edge;
use super::reading::Step;
use crate::connection::{Aside, Tokens};
use crate::passwords::{Job, is_importable};
use crate::tokens;

/// Accounts that one import may make.
const ACCOUNTS: usize = 256;

impl Edge {
    /// Takes a frame of the admin door.
    pub(super) fn operate(&mut self, key: u32, bytes: &[u8]) -> Step {
        let Ok(asked) = admin::AdminFrame::decode(bytes) else {
            self.part(key);
            return Step::Gone;
        };
        let Some(connection) = self.connections.get(key as usize) else { return Step::Gone };
        if asked.id > 0 && connection.unanswered > 0 {
            // one at a time keeps an import's tokens with its answer
            return Step::Wait;
        }
        match asked.request {
            _ if asked.id == 0 => {
                self.refuse_operator(key, 0, &Refusal::of(Code::Invalid).field("id"));
                Step::Next
            }
            Some(Request::Stats(_)) => {
                if self.request(key, asked.id, Command::Figures, &[]) {
                    Step::Next
                } else {
                    Step::Full
                }
            }
            Some(Request::Import(import)) => self.import(key, asked.id, import),
            Some(mut request) => match take_password(&mut request) {
                Some(password) => self.hash_for_operator(key, asked.id, request, password),
                None if self.request(key, asked.id, Command::Operate(Box::new(request)), &[]) => Step::Next,
                None => Step::Full,
            },
            None => {
                self.refuse_operator(key, asked.id, &Refusal::of(Code::UnknownRequest));
                Step::Next
            }
        }
    }

    /// Has the password in a request hashed first. The engine never sees one.
    fn hash_for_operator(&mut self, key: u32, id: u32, request: Request, password: Zeroizing<String>) -> Step {
        if !PASSWORD.contains(&password.len()) {
            self.refuse_operator(key, id, &Refusal::of(Code::Invalid).field("secret"));
        } else if !self.order(key, Job::Hash { password }) {
            self.refuse_operator(key, id, &Refusal::of(Code::Busy));
        } else if let Some(connection) = self.connections.get_mut(key as usize) {
            // whatever is behind it waits, as behind any request
            connection.unanswered += 1;
            connection.aside = Some(Box::new(Aside::Operating(id, request)));
        }
        Step::Next
    }

    /// A worker has hashed it: the request goes on to the engine, whose answer it waits for.
    pub(super) fn operator_hashed(&mut self, at: ConnectionId, secret: Option<Zeroizing<String>>) {
        let Some(connection) = self.connections.get_mut(at.key as usize) else { return };
        if connection.generation != at.generation {
            return;
        }
        let Some(Aside::Operating(id, mut request)) = connection.aside.take().map(|aside| *aside) else { return };
        if let Some(secret) = secret {
            put_secret(&mut request, secret.to_string());
            connection.known = true;
            self.publish_surely(at.key, id, Command::Operate(Box::new(request)));
        } else {
            self.answered(at.key);
            self.refuse_operator(at.key, id, &Refusal::of(Code::Fault));
        }
        self.resume(at.key);
    }

    fn import(&mut self, key: u32, id: u32, import: admin::Import) -> Step {
        let (accounts, made) = match accounts(import) {
            Ok(accounts) => accounts,
            Err(refused) => {
                self.refuse_operator(key, id, &refused);
                return Step::Next;
            }
        };
        if !self.request(key, id, Command::Import(Parcel::of(accounts)), &[]) {
            return Step::Full;
        }
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.aside = Some(Box::new(Aside::Import(made)));
        }
        Step::Next
    }

    /// The accounts were made, or some of them.
    pub(super) fn answer_imported(&mut self, key: u32, id: u32, made: &[Result<(UserId, DeviceId), Refusal>]) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let Some(Aside::Import(tokens)) = connection.aside.take().map(|aside| *aside) else { return };
        let made = made.iter().zip(tokens).map(|(made, token)| match made {
            Ok((user, device)) => {
                let token = token.map(|token| token.to_string()).unwrap_or_default();
                admin::Made { user: user.0, device: u64::from(device.0), token, code: 0 }
            }
            Err(refused) => admin::Made { code: refused.code as u32, ..admin::Made::default() },
        });
        let body = admin::admin_answer::Body::Imported(admin::Imported { made: made.collect() });
        self.answer_operator(key, id, body);
    }

    pub(super) fn answer_figures(&mut self, key: u32, id: u32, body: &AnswerBody) {
        let AnswerBody::Figures { accounts, groups, sessions, online, at } = *body else { return };
        let figures = admin::Figures {
            server: self.config.server.clone(),
            accounts,
            groups,
            connections: self.admission.open() as u64,
            sessions,
            released: self.progress.released().0,
            synced: self.progress.synced().0,
            epoch: self.config.epoch.0,
            online,
            projected: self.projected.position().0,
            sql: self.projected.how(),
            at: at.0,
            journal: self.config.journal.clone(),
        };
        self.answer_operator(key, id, admin::admin_answer::Body::Figures(figures));
    }

    pub(super) fn refuse_operator(&mut self, key: u32, id: u32, refused: &Refusal) {
        let body = admin::Refusal {
            code: refused.code as u32,
            name: refused.code.name().to_owned(),
            text: refused.code.text().to_owned(),
            field: refused.field.to_owned(),
        };
        if let Some(connection) = self.connections.get_mut(key as usize) {
            connection.aside = None;
        }
        self.answer_operator(key, id, admin::admin_answer::Body::Refusal(body));
    }

    pub(super) fn answer_operator(&mut self, key: u32, id: u32, body: admin::admin_answer::Body) {
        let Some(connection) = self.connections.get_mut(key as usize) else { return };
        let bytes = admin::AdminAnswer { id, body: Some(body) }.encode_to_vec();
        self.output.answer(key, connection, |out| {
            frame::put_length(out, bytes.len());
            out.extend_from_slice(&bytes);
        });
    }
}

/// Takes out of a request the password that it has. An empty one is none: it goes on as it is.
fn take_password(request: &mut Request) -> Option<Zeroizing<String>> {
    let password = match request {
        Request::Add(add) => &mut add.secret,
        Request::Change(admin::Change { what: Some(What::Password(password)), .. }) => password,
        _ => return None,
    };
    (!password.is_empty()).then(|| Zeroizing::new(std::mem::take(password)))
}

/// Puts its hash in the password's place.
fn put_secret(request: &mut Request, secret: String) {
    match request {
        Request::Add(add) => add.secret = secret,
        Request::Change(change) => change.what = Some(What::Password(secret)),
        _ => {}
    }
}

/// What the engine is told, and the tokens that it is not.
fn accounts(import: admin::Import) -> Result<(Vec<Imported>, Tokens), Refusal> {
    if import.accounts.len() > ACCOUNTS {
        return Err(Refusal::of(Code::TooLarge).field("accounts"));
    }
    let mut accounts = Vec::with_capacity(import.accounts.len());
    let mut made = Vec::with_capacity(import.accounts.len());
    for account in import.accounts {
        if !is_handle(&account.handle) {
            return Err(Refusal::of(Code::Invalid).field("handle"));
        }
        if !is_line(&account.name, NAME) {
            return Err(Refusal::of(Code::Invalid).field("name"));
        }
        if !account.secret.is_empty() && !is_importable(&account.secret) {
            return Err(Refusal::of(Code::Invalid).field("secret"));
        }
        let token = (!account.no_device).then(tokens::fresh).transpose().map_err(|_| Refusal::of(Code::Fault))?;
        let (token, digest) = token.unzip();
        accounts.push(Imported { handle: account.handle, name: account.name, secret: account.secret, token: digest });
        made.push(token);
    }
    Ok((accounts, made))
}
