/* Finds nothing, as if no library had been loaded. */
int _dl_find_object(void *address, void *result);

int
_dl_find_object(void *address, void *result)
{
    (void) address;
    (void) result;
    return -1;
}
