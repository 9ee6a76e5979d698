//! Periodic work in each worker process.

use core::cell::UnsafeCell;
use core::ptr::NonNull;

use ngx::ffi::{
    ngx_add_timer, ngx_cycle_t, ngx_del_timer, ngx_event_t, ngx_exiting, ngx_http_conf_ctx_t,
    ngx_http_module, ngx_msec_t, ngx_process, NGX_PROCESS_SINGLE, NGX_PROCESS_WORKER,
};
use ngx::http::HttpModuleMainConf;

use super::conf::Conf;

/// The interval in milliseconds.
const INTERVAL: ngx_msec_t = 100;

/// The cycle that a process serves.
#[derive(Clone, Copy)]
pub(crate) struct ServedCycle(NonNull<ngx_cycle_t>);

impl ServedCycle {
    /// Creates the handle in a callback for the start or exit of a process.
    ///
    /// # Safety
    ///
    /// The cycle is not null, and is live until the process exits.
    pub(crate) unsafe fn new(cycle: *mut ngx_cycle_t) -> Self {
        // SAFETY: the caller guarantees that `cycle` is not null.
        ServedCycle(unsafe { NonNull::new_unchecked(cycle) })
    }

    /// Returns a module's configuration in the `http` block; `None` if there is no such block, or if the process serves no
    /// requests.
    pub(crate) fn main_conf<M: HttpModuleMainConf>(self) -> Option<&'static M::MainConf> {
        // SAFETY: the cycle is live, and its configuration has been read. It has a slot for the configuration of each core
        // module, and that of `http` has a slot for each HTTP module. nginx sets the type of a process when the process starts.
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

/// Work that each worker does ten times a second, and once more when it shuts down; after that, it is up to the workers of the
/// next cycle. The timer does not delay the shutdown.
pub(crate) struct WorkerTimer<T: 'static> {
    event: UnsafeCell<ngx_event_t>,
    subject: T,
    work: fn(&T),
}

impl<T> WorkerTimer<T> {
    /// Returns a timer in the configuration that calls `work` with `subject`, once a process starts it; `None` if memory is
    /// short.
    pub(crate) fn add(cf: Conf<'static>, subject: T, work: fn(&T)) -> Option<&'static Self> {
        let timer = cf.keep(WorkerTimer {
            // SAFETY: the structure consists of numbers and pointers, for which zero is valid.
            event: UnsafeCell::new(unsafe { core::mem::zeroed() }),
            subject,
            work,
        });
        timer.ok()
    }

    /// Does the work for the last time, unless that has already happened.
    pub(crate) fn end(&self) {
        // SAFETY: the event is not moved, and nothing writes to it during the call.
        if unsafe { (*self.event.get()).timer_set() } != 0 {
            (self.work)(&self.subject);
        }
    }

    /// Does the work once, and starts the timer in this worker.
    pub(crate) fn start(&'static self, cycle: ServedCycle) {
        (self.work)(&self.subject);
        // SAFETY: nginx has initialized its event handling. The event is not moved, and is removed from the timers when its cycle
        // ends; the log of the cycle outlives it.
        unsafe {
            let event = self.event.get();
            // If built with debugging, nginx reads a connection's descriptor from here to log it.
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
        // SAFETY: the event is not moved before this returns.
        unsafe {
            if (*event).timer_set() != 0 {
                ngx_del_timer(event);
            }
        }
    }
}

/// Returns whether this worker is shutting down: it accepts no connections, and exits when its last connection ends.
pub(crate) fn is_ending() -> bool {
    // SAFETY: a number that only this process writes.
    unsafe { ngx_exiting != 0 }
}

unsafe extern "C" fn tick<T: 'static>(event: *mut ngx_event_t) {
    // SAFETY: nginx calls this for the event of a timer that has been started and not dropped.
    unsafe {
        let timer = &*(*event).data.cast::<WorkerTimer<T>>();
        (timer.work)(&timer.subject);
        if !is_ending() {
            ngx_add_timer(event, INTERVAL);
        }
    }
}
