# nginx's messages about session_sticky_control: its contexts, its parameters, and unrestricted access.

use Sticky qw(Verdicts);

verdict_sections(qr/session_sticky_control/);
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => 'upstream u { server 127.0.0.1:1985; session_sticky; }' . ($block->http_config // ''));
    $block->set_value(config => ($block->config // '') . "\nlocation = /t { return 200; }\n");
});

run_tests();

__DATA__

=== in a location and in a server, on and off
--- config
session_sticky_control on;
location /status { session_sticky_status; allow 127.0.0.1; deny all; }
location /other { session_sticky_status; session_sticky_control off; }
--- response_body:



=== not in http
--- http_config
session_sticky_control on;
--- emerg
"session_sticky_control" directive is not allowed here



=== without a parameter
--- config
session_sticky_control;
--- emerg
invalid number of arguments in "session_sticky_control" directive



=== with an unknown parameter
--- config
session_sticky_control yes;
--- emerg
invalid parameter "yes" in "session_sticky_control" directive, it must be "on", "on state=file" or "off"



=== with an unknown second parameter
--- config
session_sticky_control on file=x;
--- emerg
invalid parameter "file=x" in "session_sticky_control" directive, it must be "on", "on state=file" or "off"



=== "off" with a file
--- config
session_sticky_control off state=x;
--- emerg
invalid parameter "state=x" in "session_sticky_control" directive, it must be "on", "on state=file" or "off"



=== a file without a name
--- config
session_sticky_control on state=;
--- emerg
invalid value "" of parameter "state" in "session_sticky_control" directive, it must be a path



=== a file with a name that is too long
--- config eval
'session_sticky_control on state=/' . 'x' x 400 . ';'
--- emerg
of parameter "state" in "session_sticky_control" directive, it must be a path of at most 320 bytes



=== twice
--- config
session_sticky_control on;
session_sticky_control off;
--- emerg
duplicate "session_sticky_control" directive



=== two files
--- config
session_sticky_control on state=html/one;
location /status { session_sticky_control on state=html/two; }
--- emerg
"state=html/two" in "session_sticky_control" directive differs from
before, all must be the same file



=== the same file twice, and a location without a file
--- config
location /a { session_sticky_control on state=html/one; }
location /b { session_sticky_control on state=html/one; }
location /c { session_sticky_control on; }
--- response_body:



=== unrestricted control
--- config
location /status { session_sticky_status; session_sticky_control on; }
--- warn
"session_sticky_control" lets any client of location "/status" drain servers, as it has neither "allow" nor "deny"



=== unrestricted control, enabled at an outer level
--- config
session_sticky_control on;
location /status { session_sticky_status; }
--- warn
any client of location "/status"



=== only "allow", "deny" at an outer level, or only for IPv6
--- http_config
server { listen 1982; session_sticky_control on; deny all; location /status { session_sticky_status; } }
--- config
location /a { session_sticky_status; session_sticky_control on; allow 127.0.0.1; }
location /b { session_sticky_status; session_sticky_control on; deny ::1; }
location /c { session_sticky_status; session_sticky_control on; allow unix:; }
--- response_body:



=== a location without a status page has nothing to control
--- config
location /status { session_sticky_control on; return 404; }
--- response_body:



=== limit_except: the rules for PATCH apply
--- config
location /a { session_sticky_status; session_sticky_control on; limit_except GET { allow 127.0.0.1; deny all; } }
--- response_body:



=== limit_except without rules
--- config
location /a { session_sticky_status; session_sticky_control on; limit_except GET { auth_basic off; } }
--- warn
any client of location "/a"



=== limit_except that does not apply to PATCH
--- config
location /a { session_sticky_status; session_sticky_control on; limit_except GET PATCH { deny all; } }
--- warn
any client of location "/a"
