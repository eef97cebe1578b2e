//! The two rings, and the signals around them. Reactors publish to the inbound ring, the engine to the commit ring; the journal
//! reads the commit ring first, and the reactors see a slot only after it.

mod commit;
mod doorbell;
mod inbound;
mod landmarks;
mod parcel;
mod payload;
mod progress;
mod sync;
mod train;

pub use commit::{
    Answer, AnswerBody, Challenge, CommitConsumer, CommitGate, CommitProducer, CommitSlot, Delivery, Made, PORTION,
    Page, RECIPIENTS, Recipient, Welcome, commit_ring,
};
pub use doorbell::{Doorbell, Wake};
pub use inbound::{
    ByteBudget, Command, Imported, InboundConsumer, InboundProducer, InboundSlot, LARGE_BODY, NewSecret, Register,
    SignIn, To, Vouched, inbound_ring,
};
pub use landmarks::{Landmarks, Sight};
pub use parcel::Parcel;
pub use payload::{Bytes, make_room};
pub use progress::{Progress, Shutdown, SpaceSignal};
pub use train::{AROUND, Piece, TRAIN, TrainEntry, TrainSend, train_has_room};
