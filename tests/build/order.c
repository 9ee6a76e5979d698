/* A module of nginx for test_configure.py: prints the modules of a cycle in order. */

#include <ngx_config.h>
#include <ngx_core.h>


static ngx_int_t
ngx_test_order_init_module(ngx_cycle_t *cycle)
{
    ngx_uint_t  i;

    for (i = 0; cycle->modules[i]; i++) {
        printf("%s\n", cycle->modules[i]->name);
    }

    return fflush(stdout) == 0 ? NGX_OK : NGX_ERROR;
}


static ngx_core_module_t  ngx_test_order_module_ctx = {
    ngx_string("test_order"),
    NULL,
    NULL
};


ngx_module_t  ngx_test_order_module = {
    NGX_MODULE_V1,
    &ngx_test_order_module_ctx,            /* module context */
    NULL,                                  /* module directives */
    NGX_CORE_MODULE,                       /* module type */
    NULL,                                  /* init master */
    ngx_test_order_init_module,            /* init module */
    NULL,                                  /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    NULL,                                  /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


ngx_module_t *ngx_modules[] = {
    &ngx_test_order_module,
    NULL
};

char *ngx_module_names[] = {
    "ngx_test_order_module",
    NULL
};

char *ngx_module_order[] = {
    NULL
};
