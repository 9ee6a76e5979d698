/*
 * Preloaded into nginx: makes one allocation fail, the N-th since counting began, and records where it was.
 *
 * An allocation is any call of malloc and similar functions. As most allocations from a pool call no malloc, it is also
 * each call by which a loaded module requests memory from nginx, or has it evaluate something that needs memory.
 *
 * The orders and the results are in a file shared by nginx's processes and failing.py; the environment variable
 * ALLOCATION_FAILURES names it.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <elf.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#define DEPTH 40
#define PLACES (1 << 16)

/* failing.py has the same structures. */
struct frame {
    int64_t offset;
    char object[248];
};

struct control {
    /* set by failing.py */
    int64_t process;  /* the process that counts, ANY, or 0 for none */
    int64_t fail_at;  /* which allocation fails; 0: none, but each place is recorded */
    int64_t counting; /* if 0, it begins when this file is opened: */
    char opened[256];

    /* results */
    int64_t count;   /* the number of allocations */
    int64_t settled; /* their number when the process last began to wait for a signal */
    int64_t waiting; /* the process that last began to wait for events */
    int64_t failed;  /* whether one failed, and which: */
    int64_t size;
    char call[32];
    int64_t depth;
    struct frame frames[DEPTH];
    uint64_t places[PLACES]; /* a number for the call stack of each allocation */
};

#define ANY (-1)

static struct control *control;
static char program[4096];

static int (*real_open64)(const char *, int, ...);
static int (*real_epoll_wait)(int, struct epoll_event *, int, int);
static int (*real_sigsuspend)(const sigset_t *);
static void *(*real_dlopen)(const char *, int);

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

__attribute__((constructor)) static void begin(void)
{
    void *frame;
    const char *path = getenv("ALLOCATION_FAILURES");
    int file;

    real_open64 = dlsym(RTLD_NEXT, "open64");
    real_epoll_wait = dlsym(RTLD_NEXT, "epoll_wait");
    real_sigsuspend = dlsym(RTLD_NEXT, "sigsuspend");
    real_dlopen = dlsym(RTLD_NEXT, "dlopen");

    if (readlink("/proc/self/exe", program, sizeof(program) - 1) == -1) {
        program[0] = '\0';
    }

    /* The first call loads a library, which allocates. */
    backtrace(&frame, 1);

    file = path != NULL ? real_open64(path, O_RDWR | O_CLOEXEC) : -1;
    if (file != -1) {
        void *shared = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);

        control = shared != MAP_FAILED ? shared : NULL;
        close(file);
    }
}

static int is_counted(void)
{
    return control != NULL && (control->process == getpid() || control->process == ANY);
}

/* The offset of an address in its object file, and the name of the file. */
static int64_t offset_of(void *address, const char **object)
{
    struct dl_find_object found;
    const struct link_map *map;

    if (_dl_find_object(address, &found) != 0) {
        *object = "";
        return 0;
    }

    map = found.dlfo_link_map;
    *object = map->l_name[0] != '\0' ? map->l_name : program;
    return (char *) address - (char *) map->l_addr;
}

static void note_failure(const char *call, size_t size)
{
    void *addresses[DEPTH];
    int depth = backtrace(addresses, DEPTH);

    for (int i = 0; i < depth; i++) {
        const char *object;
        struct frame *frame = &control->frames[i];

        frame->offset = offset_of(addresses[i], &object);
        memset(frame->object, 0, sizeof(frame->object));
        strncpy(frame->object, object, sizeof(frame->object) - 1);
    }

    strncpy(control->call, call, sizeof(control->call) - 1);
    control->depth = depth;
    control->size = (int64_t) size;
    control->failed = 1;
}

/* Equal call stacks have the same number in each process: an FNV-1a hash of the offsets. */
static void note_place(void)
{
    void *addresses[DEPTH];
    int depth = backtrace(addresses, DEPTH);
    uint64_t place = 0xcbf29ce484222325;

    for (int i = 0; i < depth; i++) {
        const char *object;

        place = (place ^ (uint64_t) offset_of(addresses[i], &object)) * 0x100000001b3;
    }
    if (control->count < PLACES) {
        control->places[control->count] = place;
    }
}

/* Counts an allocation, and returns whether it has to fail. Those in OpenSSL are not counted. */
static int fails(const char *call, size_t size, void *caller)
{
    const char *object;

    if (!is_counted() || !control->counting) {
        return 0;
    }

    offset_of(caller, &object);
    if (strstr(object, "/libcrypto.") != NULL) {
        return 0;
    }

    control->count++;
    if (control->fail_at == 0) {
        note_place();
    }
    if (control->count != control->fail_at) {
        return 0;
    }

    note_failure(call, size);
    errno = ENOMEM;
    return 1;
}

#define FAILS(call, size) fails(call, size, __builtin_return_address(0))

/* --- libc's functions */

void *malloc(size_t size)
{
    return FAILS("malloc", size) ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return FAILS("calloc", count * size) ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return FAILS("realloc", size) ? NULL : __libc_realloc(old, size);
}

void *memalign(size_t alignment, size_t size)
{
    return FAILS("memalign", size) ? NULL : __libc_memalign(alignment, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return FAILS("aligned_alloc", size) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    void *allocated;

    if (FAILS("posix_memalign", size)) {
        return ENOMEM;
    }

    allocated = __libc_memalign(alignment, size);
    if (allocated == NULL) {
        return ENOMEM;
    }

    *memory = allocated;
    return 0;
}

/* --- nginx's functions, when a module calls them */

/*
 * None has more than three arguments; these and the return value have the size of a pointer. An additional argument does
 * no harm.
 */
typedef void *function(uintptr_t, uintptr_t, uintptr_t);

#define NGINX_ERROR ((void *) -1)

/* the function, the requested number of bytes if it is an argument, and the return value for a failure */
#define FUNCTIONS(EACH)                                  \
    EACH(ngx_palloc, second, NULL)                       \
    EACH(ngx_pnalloc, second, NULL)                      \
    EACH(ngx_pcalloc, second, NULL)                      \
    EACH(ngx_pmemalign, second, NULL)                    \
    EACH(ngx_pool_cleanup_add, second, NULL)             \
    EACH(ngx_http_cleanup_add, second, NULL)             \
    EACH(ngx_array_create, second *third, NULL)          \
    EACH(ngx_array_push, 0, NULL)                        \
    EACH(ngx_array_push_n, 0, NULL)                      \
    EACH(ngx_list_create, second *third, NULL)           \
    EACH(ngx_list_push, 0, NULL)                         \
    EACH(ngx_http_complex_value, 0, NGINX_ERROR)         \
    EACH(ngx_http_compile_complex_value, 0, NGINX_ERROR) \
    EACH(ngx_http_get_indexed_variable, 0, NULL)         \
    EACH(ngx_http_upstream_init_round_robin, 0, NGINX_ERROR) \
    EACH(ngx_http_upstream_init_round_robin_peer, 0, NGINX_ERROR)

#define STAND_IN(name, size, failure)                                                    \
    static function *real_##name;                                                        \
    static void *may_fail_##name(uintptr_t first, uintptr_t second, uintptr_t third)     \
    {                                                                                    \
        return FAILS(#name, size) ? failure : real_##name(first, second, third);         \
    }

FUNCTIONS(STAND_IN)

#define ENTRY(name, size, failure) {#name, &real_##name, may_fail_##name},

static const struct {
    const char *name;
    function **real;
    function *stand_in;
} stand_ins[] = {FUNCTIONS(ENTRY)};

#define STAND_INS (sizeof(stand_ins) / sizeof(stand_ins[0]))

/* Makes a module call the stand-in instead of the function of this name. */
static void redirect(const char *name, void **place)
{
    long page = sysconf(_SC_PAGESIZE);

    for (size_t i = 0; i < STAND_INS; i++) {
        /* Other relocations do not contain the function's address. */
        if (strcmp(name, stand_ins[i].name) == 0 && *place == (void *) *stand_ins[i].real) {
            mprotect((void *) ((uintptr_t) place & -(uintptr_t) page), (size_t) page, PROT_READ | PROT_WRITE);
            *place = (void *) stand_ins[i].stand_in;
        }
    }
}

/* The value of this tag in a module's dynamic section: a number, or an address. */
static uintptr_t told(const struct link_map *module, int64_t tag)
{
    const ElfW(Dyn) *entry = module->l_ld;

    while (entry->d_tag != tag && entry->d_tag != DT_NULL) {
        entry++;
    }
    return entry->d_tag == tag ? entry->d_un.d_ptr : 0;
}

static void redirect_all(const struct link_map *module, uintptr_t relocations, uintptr_t bytes)
{
    const ElfW(Rela) *relocation = (const void *) relocations;
    const ElfW(Sym) *symbols = (const void *) told(module, DT_SYMTAB);
    const char *names = (const void *) told(module, DT_STRTAB);

    for (; bytes >= sizeof(*relocation); bytes -= sizeof(*relocation), relocation++) {
        uint64_t symbol = ELF64_R_SYM(relocation->r_info);

        if (symbol != 0) {
            redirect(names + symbols[symbol].st_name, (void **) (module->l_addr + relocation->r_offset));
        }
    }
}

void *dlopen(const char *path, int mode)
{
    void *handle = real_dlopen(path, mode);
    struct link_map *module;

    if (handle == NULL || control == NULL || dlinfo(handle, RTLD_DI_LINKMAP, &module) != 0) {
        return handle;
    }

    for (size_t i = 0; i < STAND_INS; i++) {
        *stand_ins[i].real = (function *) dlsym(RTLD_DEFAULT, stand_ins[i].name);
    }
    redirect_all(module, told(module, DT_RELA), told(module, DT_RELASZ));
    redirect_all(module, told(module, DT_JMPREL), told(module, DT_PLTRELSZ));
    return handle;
}

/* --- the state of a process */

int open64(const char *path, int flags, ...)
{
    va_list more;
    mode_t mode = 0;

    if (flags & (O_CREAT | O_TMPFILE)) {
        va_start(more, flags);
        mode = va_arg(more, mode_t);
        va_end(more);
    }
    if (is_counted() && strcmp(path, control->opened) == 0) {
        control->counting = 1;
    }
    return real_open64(path, flags, mode);
}

int epoll_wait(int epoll, struct epoll_event *events, int most, int timeout)
{
    /* A starting worker tests epoll with a single event. */
    if (control != NULL && most > 1) {
        control->waiting = getpid();
    }
    return real_epoll_wait(epoll, events, most, timeout);
}

int sigsuspend(const sigset_t *mask)
{
    if (is_counted()) {
        control->settled = control->count;
    }
    return real_sigsuspend(mask);
}
