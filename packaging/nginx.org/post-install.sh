#!/bin/sh
# Runs after the package was installed or upgraded.

cat <<END
The module is installed. To enable it, add to the top of /etc/nginx/nginx.conf

    load_module modules/ngx_http_session_sticky_module.so;

and reload nginx. After an upgrade of the module, restart nginx.
END
