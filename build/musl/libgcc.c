/*
 * _dl_find_object of glibc, which Debian's libgcc calls: finds the unwind tables for an address. They are needed for
 * exceptions, including Rust's panics where they unwind, as in tests.
 */

#define _GNU_SOURCE
#include <link.h>
#include <stddef.h>
#include <stdint.h>

/* glibc's struct dl_find_object on x86_64 */
typedef struct {
    unsigned long long  flags;
    void               *start;
    void               *end;
    void               *link_map;
    void               *eh_frame;
    unsigned long long  reserved[7];
} object_t;

typedef struct {
    uintptr_t           address;
    object_t           *object;
} search_t;

int _dl_find_object(void *address, object_t *object);


static int
look(struct dl_phdr_info *info, size_t size, void *data)
{
    int               i, is_in;
    void             *start, *eh_frame;
    search_t         *search;
    const ElfW(Phdr) *segment;

    (void) size;
    search = data;
    is_in = 0;
    eh_frame = NULL;

    for (i = 0; i < info->dlpi_phnum; i++) {
        segment = &info->dlpi_phdr[i];
        start = (void *) (info->dlpi_addr + segment->p_vaddr);

        if (segment->p_type == PT_GNU_EH_FRAME) {
            eh_frame = start;
        }

        if (segment->p_type == PT_LOAD && search->address - (uintptr_t) start < segment->p_memsz) {
            is_in = 1;
            search->object->start = start;
            search->object->end = (char *) start + segment->p_memsz;
        }
    }

    search->object->eh_frame = eh_frame;
    return is_in && eh_frame != NULL;
}


int
_dl_find_object(void *address, object_t *object)
{
    search_t  search = { (uintptr_t) address, object };

    *object = (object_t) { 0 };
    return dl_iterate_phdr(look, &search) ? 0 : -1;
}
