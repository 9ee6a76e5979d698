//! Memory pools of nginx: memory is freed with its pool, never before.

mod handle;
mod index;
mod kept;
mod slots;
mod stack;
mod text;

pub(crate) use handle::{Placed, Pool};
pub(crate) use slots::{Kept, PoolSlot, SlotKind};
pub(crate) use text::Text;
