//! What each worker does time and again.

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_add_timer, ngx_cycle_t, ngx_del_timer, ngx_event_t, ngx_exiting, ngx_http_conf_ctx_t,
    ngx_http_module, ngx_msec_t, ngx_process, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER,
};
use ngx::http::HttpModuleMainConf;

use super::conf::Conf;

/// Between two times, in milliseconds.
const INTERVAL: ngx_msec_t = 100;

/// The cycle that a process serves.
#[derive(Clone, Copy)]
pub(crate) struct ServedCycle(NonNull<ngx_cycle_t>);

impl ServedCycle {
    /// Returns the cycle that nginx calls a module for when a process begins or ends.
    ///
    /// # Safety
    ///
    /// The cycle is not null, and lives until the process ends.
    pub(crate) unsafe fn new(cycle: *mut ngx_cycle_t) -> Self {
        // SAFETY: the caller vouches for a cycle, which is not null.
        ServedCycle(unsafe { NonNull::new_unchecked(cycle) })
    }

    /// Returns the configuration of a module of the `http` block; `None`: there is no such block, or the process serves no
    /// requests.
    pub(crate) fn main_conf<M: HttpModuleMainConf>(self) -> Option<&'static M::MainConf> {
        // SAFETY: the cycle lives, and its configuration was read. It has a place for the configuration of each core module, and
        // that of `http` one for each of its modules. nginx writes the kind of a process when that begins.
        unsafe {
            if ![NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER].contains(&(ngx_process as u32)) {
                return None;
            }
            let context = *self.0.as_ref().conf_ctx.add(ngx_http_module.index);
            let context = context.cast::<ngx_http_conf_ctx_t>().as_ref()?;
            let main = *context.main_conf.add(M::module().ctx_index);
            main.cast::<M::MainConf>().as_ref()
        }
    }
}

/// Something that each worker does ten times a second, and once more when it is about to end: what follows is for the workers of the
/// next cycle to do. It holds up no end.
pub(crate) struct WorkerTimer<T: 'static> {
    event: UnsafeCell<ngx_event_t>,
    subject: T,
    work: fn(&T),
}

impl<T> WorkerTimer<T> {
    /// Returns the timer of a configuration, which no process has started, and which does something with `subject`; `None`:
    /// memory is short.
    pub(crate) fn add(cf: Conf<'static>, subject: T, work: fn(&T)) -> Option<&'static Self> {
        let timer = cf.keep(WorkerTimer {
            // SAFETY: numbers and pointers, of which zero is one.
            event: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            subject,
            work,
        });
        timer.ok()
    }

    /// Does the work for the last time, unless that was done.
    pub(crate) fn end(&self) {
        // SAFETY: the event stays where it is, and nobody writes to it meanwhile.
        if unsafe { (*self.event.get()).timer_set() } != 0 {
            (self.work)(&self.subject);
        }
    }

    /// Starts it in this worker, and does the work once.
    pub(crate) fn start(&'static self, cycle: ServedCycle) {
        (self.work)(&self.subject);
        // SAFETY: nginx has begun to handle events. The event stays where it is, and is taken out of the timers when its cycle
        // ends; the log of the cycle that is served outlives it.
        unsafe {
            let event = self.event.get();
            // Where nginx was built for debugging, it looks there for the number of a connection.
            (*event).data = core::ptr::from_ref(self).cast_mut().cast();
            (*event).handler = Some(tick::<T>);
            (*event).log = cycle.0.as_ref().log;
            (*event).set_cancelable(1);
            ngx_add_timer(event, INTERVAL);
        }
    }
}

impl<T> Drop for WorkerTimer<T> {
    fn drop(&mut self) {
        let event = self.event.get();
        // SAFETY: the event stays where it is until this returns.
        unsafe {
            if (*event).timer_set() != 0 {
                ngx_del_timer(event);
            }
        }
    }
}

/// Returns whether this worker accepts no connections any more, and ends when those that it has do.
pub(crate) fn is_ending() -> bool {
    // SAFETY: a number that this process alone writes.
    unsafe { ngx_exiting != 0 }
}

unsafe extern "C" fn tick<T: 'static>(event: *mut ngx_event_t) {
    // SAFETY: nginx calls this for the event of a timer that was started and not dropped.
    unsafe {
        let timer = &*(*event).data.cast::<WorkerTimer<T>>();
        (timer.work)(&timer.subject);
        if !is_ending() {
            ngx_add_timer(event, INTERVAL);
        }
    }
}
